#pragma once

#include "pkg/base/mutex.h"
#include "pkg/base/thread_annotations.h"
#include "pkg/cmap/counters.h"

#include <atomic>
#include <cstdint>

namespace podkeeper::cmap {

/// A base::Mutex or base::SharedMutex with a turnstile before it: a writer that has to wait
/// announces itself, and a reader that comes later lets it pass first. So a writer waits for the
/// critical sections that had begun when it came, however many readers follow (glibc's rwlock alone
/// prefers readers and starves it); and a reader waits for the writers that were announced when it
/// came, not for those that follow.
///
/// One lock of two parts, checked as one (inside, the analysis is off): nothing else may be taken
/// under it. Reader's cost over M's own: two loads of one line.
template <class M>
class PK_CAPABILITY("mutex") WriterFirst {
 public:
  /// These return true when the lock was not free at once.
  bool lock_write() PK_ACQUIRE() PK_NO_THREAD_SAFETY_ANALYSIS {
    if (mutex_.try_lock()) return false;
    announced_.fetch_add(1, std::memory_order_relaxed);
    mutex_.lock();
    entered_.fetch_add(1, std::memory_order_relaxed);
    entered_.notify_all();
    return true;
  }
  void unlock_write() PK_RELEASE() PK_NO_THREAD_SAFETY_ANALYSIS { mutex_.unlock(); }

  bool lock_read() PK_ACQUIRE_SHARED() PK_NO_THREAD_SAFETY_ANALYSIS {
    const bool waited = let_writers_pass();
    if constexpr (kShared) {
      if (mutex_.try_lock_shared()) return waited;
      mutex_.lock_shared();
    } else {
      if (mutex_.try_lock()) return waited;
      mutex_.lock();
    }
    return true;
  }
  void unlock_read() PK_RELEASE_SHARED() PK_NO_THREAD_SAFETY_ANALYSIS {
    if constexpr (kShared) {
      mutex_.unlock_shared();
    } else {
      mutex_.unlock();
    }
  }

  /// Writers that are announced and not in yet; for tests.
  [[nodiscard]] std::uint32_t writers_waiting() const noexcept {
    return announced_.load(std::memory_order_relaxed) - entered_.load(std::memory_order_relaxed);
  }

 private:
  static constexpr bool kShared = requires(M m) { m.lock_shared(); };

  bool let_writers_pass() noexcept {
    const std::uint32_t before_me = announced_.load(std::memory_order_relaxed);
    std::uint32_t entered = entered_.load(std::memory_order_relaxed);
    if (static_cast<std::int32_t>(entered - before_me) >= 0) [[likely]]
      return false;
    do {
      entered_.wait(entered, std::memory_order_relaxed);
      entered = entered_.load(std::memory_order_relaxed);
    } while (static_cast<std::int32_t>(entered - before_me) < 0);
    return true;
  }

  M mutex_;
  // The turnstile orders nothing but arrivals, hence relaxed: what is read and written is ordered
  // by mutex_. Both count modulo 2^32.
  std::atomic<std::uint32_t> announced_{0};
  std::atomic<std::uint32_t> entered_{0};
};

/// Holds a WriterFirst for writing, for a scope; counts when it had to wait.
template <class M>
class PK_SCOPED_CAPABILITY WriteLock {
 public:
  WriteLock(WriterFirst<M>& mutex, Counters& counters) PK_ACQUIRE(mutex) : mutex_(mutex) {
    if (mutex_.lock_write()) counters.add(Counters::kContended);
  }
  ~WriteLock() PK_RELEASE() { mutex_.unlock_write(); }
  WriteLock(const WriteLock&) = delete;
  WriteLock& operator=(const WriteLock&) = delete;

 private:
  WriterFirst<M>& mutex_;
};

/// Holds a WriterFirst for reading, for a scope; counts when it had to wait.
template <class M>
class PK_SCOPED_CAPABILITY ReadLock {
 public:
  ReadLock(WriterFirst<M>& mutex, Counters& counters) PK_ACQUIRE_SHARED(mutex) : mutex_(mutex) {
    if (mutex_.lock_read()) counters.add(Counters::kContended);
  }
  ~ReadLock() PK_RELEASE() { mutex_.unlock_read(); }
  ReadLock(const ReadLock&) = delete;
  ReadLock& operator=(const ReadLock&) = delete;

 private:
  WriterFirst<M>& mutex_;
};

}  // namespace podkeeper::cmap
