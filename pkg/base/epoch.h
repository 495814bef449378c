#pragma once

#include "pkg/base/ref.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace podkeeper::base {

namespace detail {

extern constinit std::atomic<std::uint64_t> epoch_now;
/// Whether the reclaimer's barrier is membarrier(2), so that a guard needs none.
extern const bool epoch_asymmetric;

/// What a thread shows of its guards; a part of its slot among all threads'.
struct EpochPin {
  std::atomic<std::uint64_t> pinned{0};  ///< epoch of the outermost guard; 0: no guard
  std::uint32_t nesting = 0;             ///< the owner's

  void enter() noexcept {
    if (epoch_asymmetric) [[likely]] {
      pinned.store(epoch_now.load(std::memory_order_acquire), std::memory_order_relaxed);
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
      pinned.store(epoch_now.load(std::memory_order_seq_cst), std::memory_order_seq_cst);
      std::atomic_thread_fence(std::memory_order_seq_cst);
    }
  }
  void leave() noexcept { pinned.store(0, std::memory_order_release); }

  static EpochPin& mine() {
    EpochPin* const pin = of_thread;
    return pin != nullptr ? *pin : make();
  }
  static EpochPin& make();

  static constinit thread_local EpochPin* of_thread;
};

}  // namespace detail

/// Epoch-based reclamation (Fraser, "Practical lock-freedom", 2004): a reader inside a Guard may
/// use any record it finds; a retired record is freed only after the last guard that could have
/// seen it.
///
/// One domain for the process. Entering and leaving a guard writes one word of the thread's own
/// cache line: no shared write, no fence on the reader's side (the reclaimer pays with
/// membarrier(2)). Under ThreadSanitizer, which does not model membarrier, guards use sequentially
/// consistent operations instead.
///
/// No retire() pays for more than a bounded step. What a thread retires it gathers in batches of
/// kRetireBatch records or 1 MiB. A batch that has passed its grace period is freed by the thread
/// that retired it, a record with each record that it retires, or kFreesPerRetire while another
/// such batch waits: so the memory comes back to where it is allocated next, still warm, and no
/// other thread has to keep up. Who fills a batch
/// pays one barrier and one pass over the threads for the batch before.
///
/// What waits is bounded. A guard must not live across a co_await (the coroutine may resume on
/// another thread), so the longest one lasts as long as the longest stretch of code between two of
/// them. At most there wait, beside three batches a thread (gathered, sealed, being freed), the
/// records retired during two such stretches. Above kPendingBytesMax the writer who fills a batch
/// frees all that has passed, in one go; if he holds no guard himself, he then gives the processor
/// away up to 64 times, so that a reader who was preempted inside his guard can leave it: about a
/// millisecond for each MiB retired. He never waits for good: a guard that stays would stop the
/// writers too. Runtime's reclaimer collects what lies when writes stop, and names the task whose
/// guard stays. No step depends on time or on another thread, so a simulated run repeats itself.
class Epoch {
 public:
  /// Pins the current epoch on this thread; guards nest. Cost: about 2 ns.
  class Guard {
   public:
    Guard() noexcept : pin_(detail::EpochPin::mine()) {
      if (pin_.nesting++ == 0) pin_.enter();
    }
    ~Guard() {
      if (--pin_.nesting == 0) pin_.leave();
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    detail::EpochPin& pin_;
  };

  /// Calls `free(object)` once no guard can hold `object` any more. Any thread; O(1), with up to
  /// kFreesPerRetire frees of what was retired earlier, and every kRetireBatch calls one pass over
  /// the threads.
  static void retire(const void* object, void (*free)(const void*), std::size_t bytes = 0);

  /// Gives a count of a Ref back after the grace period.
  template <class T>
  static void retire(Ref<T> object, std::size_t bytes = sizeof(T)) {
    if (!object) return;
    retire(
        object.release(),
        [](const void* p) { (void)Ref<T>::adopt(const_cast<T*>(static_cast<const T*>(p))); },
        bytes);
  }

  /// Frees what can be freed now, whoever retired it; for tests and for idle moments. Waits while
  /// another thread frees, and returns how many records this call freed; 0 when called by what it
  /// frees. O(threads) beside the frees.
  static std::size_t collect();

  /// A moment. passed() tells, without waiting, whether every guard that was held then has been
  /// left, so that nobody can still use what was unpublished before. A caller that holds a guard
  /// waits for itself. passed() costs one pass over the threads.
  using Mark = std::uint64_t;
  [[nodiscard]] static Mark mark() noexcept;
  [[nodiscard]] static bool passed(Mark mark) noexcept;

  /// Records and bytes that wait to be freed, over all threads. Exact while nobody retires, but
  /// that the bytes of a batch that is being freed go by its mean. O(threads).
  struct Pending {
    std::size_t records = 0;
    std::size_t bytes = 0;
  };
  [[nodiscard]] static Pending pending() noexcept;

  /// Tells which task this thread runs from now on (0: none), for oldest_holder(). TaskScope calls
  /// it.
  static void runs_task(std::uint64_t task_id) noexcept;

  /// Who keeps records from being freed: the oldest guard that is held now, by its epoch and the
  /// task that its thread runs. The same `since` twice, with a mark() in between, is the same
  /// guard. Task and guard are read one after the other: a hint for a log line.
  struct Holder {
    Mark since = 0;
    std::uint64_t task_id = 0;
    friend bool operator==(const Holder&, const Holder&) = default;
  };
  [[nodiscard]] static std::optional<Holder> oldest_holder() noexcept;

  /// A membarrier a batch, which interrupts the other cores, against memory that waits and leaves
  /// the cache meanwhile: with 4096 a put costs 15 % more.
  static constexpr std::size_t kRetireBatch = 1024;
  static constexpr std::size_t kFreesPerRetire = 2;  ///< more than come in, to catch up
  static constexpr std::size_t kPendingBytesMax = 64 << 20;
};

}  // namespace podkeeper::base
