// says: WARNING: ThreadSanitizer: data race
#include <mutex>
#include <thread>

namespace {
class Health {
 public:
  void fail() {
    const std::lock_guard lock(mutex_);
    failed_ = true;
  }
  [[nodiscard]] bool failed() const {
#ifndef PK_MISUSE
    const std::lock_guard lock(mutex_);
#endif
    return failed_;
  }

 private:
  mutable std::mutex mutex_;
  bool failed_ = false;
};
}  // namespace

int main() {
  Health health;
  std::jthread writer([&] { health.fail(); });
  std::jthread reader([&] { (void)health.failed(); });
}
