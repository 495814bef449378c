#pragma once

#include "pkg/base/mutex.h"
#include "pkg/base/thread_annotations.h"
#include "pkg/cmap/counters.h"

namespace podkeeper::cmap {

/// Holds a mutex for a scope; counts when it was not free at once.
class PK_SCOPED_CAPABILITY CountedLock {
 public:
  CountedLock(base::Mutex& mutex, Counters& counters) PK_ACQUIRE(mutex) : mutex_(mutex) {
    if (mutex_.try_lock()) return;
    counters.add(Counters::kContended);
    mutex_.lock();
  }
  ~CountedLock() PK_RELEASE() { mutex_.unlock(); }
  CountedLock(const CountedLock&) = delete;
  CountedLock& operator=(const CountedLock&) = delete;

 private:
  base::Mutex& mutex_;
};

}  // namespace podkeeper::cmap
