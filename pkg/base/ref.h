#pragma once

#include "pkg/base/lifetime.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace podkeeper::base {

/// Base of objects shared by count. The count is inside the object, so a plain pointer found under
/// an Epoch::Guard can be turned into a Ref. Thread-safe.
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void add_ref() const noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
  /// True when this was the last one: the caller deletes the object.
  [[nodiscard]] bool drop_ref() const noexcept {
    return count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }

 protected:
  ~RefCounted() = default;

 private:
  mutable std::atomic<std::uint32_t> count_{0};
};

/// A counted pointer to a T derived from RefCounted; T is usually const.
template <class T>
class Ref {
 public:
  Ref() = default;
  /// Shares `object`, which must be alive: just made, or found under an Epoch::Guard that is still
  /// held.
  explicit Ref(T* object) noexcept : object_(object) {
    if (object_ != nullptr) object_->add_ref();
  }
  Ref(const Ref& other) noexcept : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <class U>
    requires std::is_convertible_v<U*, T*>
  // NOLINTNEXTLINE(google-explicit-constructor): as pointers convert.
  Ref(Ref<U> other) noexcept : object_(other.release()) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_ != nullptr && object_->drop_ref()) delete object_;
  }

  [[nodiscard]] T* get() const noexcept PK_LIFETIME_BOUND { return object_; }
  T& operator*() const noexcept PK_LIFETIME_BOUND { return *object_; }
  T* operator->() const noexcept PK_LIFETIME_BOUND { return object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  friend bool operator==(const Ref& a, const Ref& b) noexcept { return a.object_ == b.object_; }

  /// Gives the count away; the caller owes an adopt().
  [[nodiscard]] T* release() noexcept { return std::exchange(object_, nullptr); }
  /// Takes over a count that release() gave away.
  [[nodiscard]] static Ref adopt(T* object) noexcept {
    Ref ref;
    ref.object_ = object;
    return ref;
  }

 private:
  T* object_ = nullptr;
};

/// Room that an object has for bytes of its own, right behind itself in the same block.
struct Tail {
  std::size_t bytes = 0;
};

/// Makes a T. One that says by `T::tail_for(args...)` how much room it wants behind itself gets it,
/// and is told: T's constructor takes a Tail first, and T's operator new one besides the size.
template <class T, class... Args>
[[nodiscard]] Ref<T> make_ref(Args&&... args) {
  if constexpr (requires { T::tail_for(args...); }) {
    const Tail tail = T::tail_for(args...);
    return Ref<T>(new (tail) T(tail, std::forward<Args>(args)...));
  } else {
    return Ref<T>(new T(std::forward<Args>(args)...));
  }
}

}  // namespace podkeeper::base
