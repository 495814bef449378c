// says: WARNING: ThreadSanitizer: data race
#include <atomic>
#include <mutex>
#include <thread>

#ifdef PK_MISUSE
using Flag = bool;
#else
using Flag = std::atomic<bool>;
#endif

int main() {
  Flag filled{false};
  int table = 0;
  std::mutex mutex;
  const auto fill_once = [&] {
    if (filled) return;
    const std::lock_guard lock(mutex);
    if (filled) return;
    table = 7;
    filled = true;
  };
  std::jthread one(fill_once);
  std::jthread other(fill_once);
}
