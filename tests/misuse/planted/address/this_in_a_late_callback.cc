// says: AddressSanitizer: heap-use-after-free
#include <functional>
#include <memory>
#include <vector>

namespace {
std::vector<std::function<int()>> callbacks;

class Gauge : public std::enable_shared_from_this<Gauge> {
 public:
  void subscribe() {
#ifdef PK_MISUSE
    callbacks.emplace_back([this] { return value_; });
#else
    callbacks.emplace_back([self = shared_from_this()] { return self->value_; });
#endif
  }

 private:
  int value_ = 7;
};
}  // namespace

int main() {
  auto gauge = std::make_shared<Gauge>();
  gauge->subscribe();
  gauge.reset();
  return callbacks.front()() == 7 ? 0 : 1;
}
