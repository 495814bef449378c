#pragma once

#include "pkg/base/ref.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace podkeeper::base {

/// Epoch-based reclamation (Fraser, "Practical lock-freedom", 2004): a reader inside a Guard may
/// use any record it finds; a retired record is freed only after the last guard that could have
/// seen it.
///
/// One domain for the process. Entering and leaving a guard writes one word of the thread's own
/// cache line: no shared write, no fence on the reader's side (the reclaimer pays with
/// membarrier(2)). Under ThreadSanitizer, which does not model membarrier, guards use sequentially
/// consistent operations instead.
///
/// What waits is bounded. A guard must not live across a co_await (the coroutine may resume on
/// another thread), so the longest one lasts as long as the longest stretch of code between two of
/// them. At most there wait, beside one batch a thread (kRetireBatch records or 1 MiB), the records
/// retired during two such stretches. Above kPendingBytesMax each writer that holds no guard itself
/// gives the processor away up to 64 times a batch, so that a reader who was preempted inside his
/// guard can leave it: about a millisecond for each MiB retired. It never waits for good: a guard
/// that stays would stop the writers too. Batches are freed by one thread at a time; runtime's
/// reclaimer collects what lies when writes stop, and names the task whose guard stays.
class Epoch {
 public:
  /// Pins the current epoch on this thread; guards nest. Cost: about 2 ns.
  class Guard {
   public:
    Guard() noexcept;
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    void* slot_;
  };

  /// Calls `free(object)` once no guard can hold `object` any more. Any thread; O(1), and every
  /// kRetireBatch calls one pass over the threads.
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

  /// Records and bytes that wait for their grace period, over all threads. Exact while nobody
  /// retires. O(threads).
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

  static constexpr std::size_t kRetireBatch = 4096;
  static constexpr std::size_t kPendingBytesMax = 64 << 20;
};

}  // namespace podkeeper::base
