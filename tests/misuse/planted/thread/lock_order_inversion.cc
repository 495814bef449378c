// says: WARNING: ThreadSanitizer: lock-order-inversion
#include <mutex>
#include <thread>

namespace {
void both(std::mutex& first, std::mutex& second) {
  const std::lock_guard outer(first);
  const std::lock_guard inner(second);
}
}  // namespace

int main() {
  std::mutex pods;
  std::mutex nodes;
  // One after the other: the order is reported although nobody waits for ever.
  std::jthread([&] { both(pods, nodes); }).join();
#ifdef PK_MISUSE
  std::jthread([&] { both(nodes, pods); }).join();
#else
  std::jthread([&] { both(pods, nodes); }).join();
#endif
}
