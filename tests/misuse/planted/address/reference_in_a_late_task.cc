// says: AddressSanitizer: stack-use-after
#include <functional>
#include <vector>

namespace {
std::vector<std::function<int()>> later;

void start() {
  int revision = 7;
#ifdef PK_MISUSE
  later.emplace_back([&revision] { return revision; });
#else
  later.emplace_back([revision] { return revision; });
#endif
}
}  // namespace

int main() {
  start();
  return later.front()() == 7 ? 0 : 1;
}
