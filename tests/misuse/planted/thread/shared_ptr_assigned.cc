// says: WARNING: ThreadSanitizer: data race
#include "pkg/base/snapshot.h"

#include <memory>
#include <thread>

#ifdef PK_MISUSE
struct Published {
  [[nodiscard]] std::shared_ptr<const int> read() const { return value; }
  void publish(std::shared_ptr<const int> next) { value = std::move(next); }
  std::shared_ptr<const int> value = std::make_shared<const int>(0);
};
#else
using Published = podkeeper::base::Snapshot<int>;
#endif

int main() {
  Published published;
  std::jthread writer([&] { published.publish(std::make_shared<const int>(1)); });
  std::jthread reader([&] { (void)published.read(); });
}
