// says: WARNING: ThreadSanitizer: data race
#include <mutex>
#include <thread>

int main() {
  int events = 0;
  std::mutex mutex;
  const auto count = [&] {
#ifndef PK_MISUSE
    const std::lock_guard lock(mutex);
#endif
    ++events;
  };
  std::jthread one(count);
  std::jthread other(count);
}
