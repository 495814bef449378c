#pragma once

#include "pkg/base/thread_annotations.h"

#include <condition_variable>
#include <mutex>
#include <shared_mutex>

namespace podkeeper::base {

/// A std::mutex that clang's thread-safety analysis understands. Locks here are leaves: under one,
/// no callback, no I/O, no co_await and no second lock.
class PK_CAPABILITY("mutex") Mutex {
 public:
  void lock() PK_ACQUIRE() { mutex_.lock(); }
  void unlock() PK_RELEASE() { mutex_.unlock(); }
  bool try_lock() PK_TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
  std::mutex mutex_;
};

/// A std::shared_mutex for the analysis: many readers or one writer.
class PK_CAPABILITY("shared_mutex") SharedMutex {
 public:
  void lock() PK_ACQUIRE() { mutex_.lock(); }
  void unlock() PK_RELEASE() { mutex_.unlock(); }
  bool try_lock() PK_TRY_ACQUIRE(true) { return mutex_.try_lock(); }
  void lock_shared() PK_ACQUIRE_SHARED() { mutex_.lock_shared(); }
  bool try_lock_shared() PK_TRY_ACQUIRE_SHARED(true) { return mutex_.try_lock_shared(); }
  void unlock_shared() PK_RELEASE_SHARED() { mutex_.unlock_shared(); }

 private:
  std::shared_mutex mutex_;
};

/// Holds a mutex for a scope.
template <class M = Mutex>
class PK_SCOPED_CAPABILITY Lock {
 public:
  explicit Lock(M& mutex) PK_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~Lock() PK_RELEASE() { mutex_.unlock(); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  M& mutex_;
};
template <class M>
Lock(M&) -> Lock<M>;

/// Holds a shared mutex for reading, for a scope.
class PK_SCOPED_CAPABILITY SharedLock {
 public:
  explicit SharedLock(SharedMutex& mutex) PK_ACQUIRE_SHARED(mutex) : mutex_(mutex) {
    mutex_.lock_shared();
  }
  ~SharedLock() PK_RELEASE() { mutex_.unlock_shared(); }
  SharedLock(const SharedLock&) = delete;
  SharedLock& operator=(const SharedLock&) = delete;

 private:
  SharedMutex& mutex_;
};

}  // namespace podkeeper::base
