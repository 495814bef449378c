#include "pkg/kube/json_member.h"

#include <nlohmann/json.hpp>

namespace podkeeper::kube {

using Json = nlohmann::json;

const Json& member_of(const Json& object, const char* key) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(key);
  return found == object.end() ? kNothing : *found;
}

std::string text_of(const Json& object, const char* key) {
  const Json& value = member_of(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

}  // namespace podkeeper::kube
