#pragma once

namespace podkeeper::runtime {

/// Held by a world while it is destroyed. The frames of its unfinished tasks are destroyed then, in
/// any order, and what otherwise would be a bug (a TaskGroup that ends before its tasks) is not
/// one. Of this thread.
class Teardown {
 public:
  Teardown() noexcept { ++depth(); }
  ~Teardown() { --depth(); }
  Teardown(const Teardown&) = delete;
  Teardown& operator=(const Teardown&) = delete;

  [[nodiscard]] static bool under_way() noexcept { return depth() > 0; }

 private:
  static int& depth() noexcept {
    thread_local int value = 0;
    return value;
  }
};

}  // namespace podkeeper::runtime
