// says: bugprone-dangling-handle
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper {

std::string name();

void use(std::vector<std::string_view>& names) {
#ifdef PK_MISUSE
  names.push_back(name());
#else
  static const std::string kept = name();
  names.emplace_back(kept);
#endif
}

}  // namespace podkeeper
