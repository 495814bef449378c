#include "pkg/credentials/yaml_json.h"

#include <nlohmann/json.hpp>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace podkeeper::credentials {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
std::optional<T> number(const std::string& text) {
  T value{};
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

Json scalar_to_json(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() != "?") return text;  // quoted, or of a tag of its own
  if (text.empty() || text == "~" || text == "null") return nullptr;
  if (text == "true" || text == "false") return text == "true";
  if (const auto whole = number<std::int64_t>(text)) return *whole;
  if (const auto real = number<double>(text); real && std::isfinite(*real)) return *real;
  return text;
}

class Converter {
 public:
  [[nodiscard]] bool failed() const noexcept { return failed_; }

  Json convert(const YAML::Node& node, int depth = 0) {
    if (depth > kYamlDepthMax || ++nodes_ > kYamlNodesMax) failed_ = true;
    if (failed_ || !node.IsDefined() || node.IsNull()) return nullptr;
    if (node.IsScalar()) return scalar_to_json(node);
    if (node.IsSequence()) {
      Json list = Json::array();
      for (const YAML::Node& item : node) list.push_back(convert(item, depth + 1));
      return list;
    }
    Json map = Json::object();
    for (const auto& entry : node) {
      map[entry.first.IsScalar() ? entry.first.Scalar() : ""] = convert(entry.second, depth + 1);
    }
    return map;
  }

 private:
  std::size_t nodes_ = 0;
  bool failed_ = false;
};

}  // namespace

std::string yaml_to_json(const YAML::Node& node) {
  Converter converter;
  const Json json = converter.convert(node);
  if (converter.failed()) return {};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace podkeeper::credentials
