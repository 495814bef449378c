#pragma once

#include "pkg/base/lifetime.h"
#include "pkg/base/mutex.h"

#include <memory>
#include <utility>

namespace podkeeper::base {

/// A value that is replaced as a whole. read() gives an immutable value that stays while held: hold
/// it by name, its address alone keeps nothing (clang refuses `const T& v = *snapshot.read()`).
/// publish() never waits for a reader. Any thread may call either. A mutex and a shared_ptr, not
/// atomic<shared_ptr>: libstdc++ 12's trips ThreadSanitizer.
template <class T>
class Snapshot {
 public:
  explicit Snapshot(std::shared_ptr<const T> first = std::make_shared<const T>())
      : current_(std::move(first)) {}

  /// What read() gave. A shared_ptr whose value cannot be kept without it.
  class Held {
   public:
    const T& operator*() const noexcept PK_LIFETIME_BOUND { return *value_; }
    const T* operator->() const noexcept PK_LIFETIME_BOUND { return value_.get(); }

   private:
    friend class Snapshot;
    explicit Held(std::shared_ptr<const T> value) noexcept : value_(std::move(value)) {}
    std::shared_ptr<const T> value_;
  };

  [[nodiscard]] Held read() const {
    Lock lock(mutex_);
    return Held(current_);
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
