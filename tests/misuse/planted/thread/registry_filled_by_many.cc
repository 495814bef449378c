// says: WARNING: ThreadSanitizer: data race
#include <mutex>
#include <thread>
#include <vector>

namespace {
std::vector<int> registry;
std::mutex mutex;

void add(int room) {
#ifndef PK_MISUSE
  const std::lock_guard lock(mutex);
#endif
  registry.push_back(room);
}
}  // namespace

int main() {
  registry.reserve(2);
  std::jthread one([] { add(1); });
  std::jthread other([] { add(2); });
}
