// says: WARNING: ThreadSanitizer: data race
#include <map>
#include <mutex>
#include <thread>

int main() {
  std::map<int, int> pods{{1, 1}, {2, 2}};
  std::mutex mutex;
  int sum = 0;
  std::jthread walker([&] {
#ifndef PK_MISUSE
    const std::lock_guard lock(mutex);
#endif
    for (const auto& [key, value] : pods) sum += value;
  });
  std::jthread writer([&] {
#ifndef PK_MISUSE
    const std::lock_guard lock(mutex);
#endif
    pods.at(2) = 3;
  });
}
