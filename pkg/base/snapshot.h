#pragma once

#include "pkg/base/mutex.h"

#include <memory>
#include <utility>

namespace podkeeper::base {

/// A value that is replaced as a whole. read() gives an immutable value that stays while held;
/// publish() never waits for a reader. Any thread may call either. A mutex and a shared_ptr, not
/// atomic<shared_ptr>: libstdc++ 12's trips ThreadSanitizer.
template <class T>
class Snapshot {
 public:
  explicit Snapshot(std::shared_ptr<const T> first = std::make_shared<const T>())
      : current_(std::move(first)) {}

  [[nodiscard]] std::shared_ptr<const T> read() const {
    Lock lock(mutex_);
    return current_;
  }

  void publish(std::shared_ptr<const T> next) {
    {
      Lock lock(mutex_);
      current_.swap(next);
    }
    // `next` now holds the old value; if this was its last holder it is destroyed here, outside the
    // lock.
  }

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const T> current_ PK_GUARDED_BY(mutex_);
};

}  // namespace podkeeper::base
