#pragma once

#include "pkg/base/ref.h"

#include <atomic>
#include <cstddef>
#include <cstdint>

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
/// A guard must not live across a co_await: the coroutine may resume on another thread.
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
  /// kRetireBatch calls one pass over the threads. What waits is bounded by the records retired
  /// while the oldest guard is held.
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

  /// Frees what can be freed now; for tests and for idle moments. Returns how many records were
  /// freed.
  static std::size_t collect();

  /// A moment. passed() tells, without waiting, whether every guard that was held then has been
  /// left, so that nobody can still use what was unpublished before. A caller that holds a guard
  /// waits for itself. passed() costs one pass over the threads.
  using Mark = std::uint64_t;
  [[nodiscard]] static Mark mark() noexcept;
  [[nodiscard]] static bool passed(Mark mark) noexcept;

  /// Records and bytes that wait for their grace period, over all threads.
  struct Pending {
    std::size_t records = 0;
    std::size_t bytes = 0;
  };
  [[nodiscard]] static Pending pending() noexcept;

  static constexpr std::size_t kRetireBatch = 4096;
};

}  // namespace podkeeper::base
