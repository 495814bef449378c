#include "pkg/kubeapi/json_path.h"

#include <nlohmann/json.hpp>

#include <charconv>
#include <optional>
#include <system_error>
#include <utility>

namespace podkeeper::kubeapi {
namespace {

using nlohmann::json;

/// Reads a path from its front.
class PathText {
 public:
  explicit PathText(std::string_view text) : rest_(text) {}
  [[nodiscard]] bool empty() const noexcept { return rest_.empty(); }
  bool take(std::string_view prefix) {
    if (!rest_.starts_with(prefix)) return false;
    rest_.remove_prefix(prefix.size());
    return true;
  }
  /// A member's name up to the next '.' or '['; a backslash takes what follows as it is.
  std::string name() {
    std::string name;
    while (!rest_.empty() && rest_.front() != '.' && rest_.front() != '[') {
      if (rest_.front() == '\\' && rest_.size() > 1) rest_.remove_prefix(1);
      name += rest_.front();
      rest_.remove_prefix(1);
    }
    return name;
  }
  /// What stands before `end`, which is taken too.
  std::optional<std::string_view> until(std::string_view end) {
    const auto at = rest_.find(end);
    if (at == std::string_view::npos) return std::nullopt;
    const auto text = rest_.substr(0, at);
    rest_.remove_prefix(at + end.size());
    return text;
  }

 private:
  std::string_view rest_;
};

std::optional<std::size_t> number(std::string_view text) {
  std::size_t value = 0;
  const auto* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stopped != end) return std::nullopt;
  return value;
}

const json* member(const json& of, const std::string& name) {
  if (!of.is_object()) return nullptr;
  const auto found = of.find(name);
  return found == of.end() ? nullptr : &*found;
}

/// The part of "@.type==\"Ready\"" before and after its operator.
std::optional<std::pair<std::vector<std::string>, std::string>> parse_filter(
    std::string_view filter) {
  PathText text(filter);
  if (!text.take("@")) return std::nullopt;
  const auto path = text.until("==");
  if (!path) return std::nullopt;
  std::vector<std::string> names;
  PathText members(*path);
  while (members.take(".")) {
    auto name = members.name();
    while (name.ends_with(' ')) name.pop_back();
    if (name.empty()) return std::nullopt;
    names.push_back(std::move(name));
  }
  while (text.take(" ")) continue;
  const bool doubled = text.take("\"");
  if (!doubled && !text.take("'")) return std::nullopt;
  const auto value = text.until(doubled ? "\"" : "'");
  while (text.take(" ")) continue;
  if (names.empty() || !members.empty() || !value || !text.empty()) return std::nullopt;
  return std::pair(std::move(names), std::string(*value));
}

}  // namespace

base::Result<JsonPath> JsonPath::parse(std::string_view whole) {
  const auto refuse = [&](const std::string& why) {
    return base::Error{base::ErrorCode::kInvalidArgument,
                       "JSON path \"" + std::string(whole) + "\": " + why};
  };
  JsonPath path;
  PathText text(whole);
  while (!text.empty()) {
    if (path.steps_.size() == kJsonPathStepsMax) return refuse("has too many steps");
    if (text.take("[?(")) {
      const auto filter = text.until(")]");
      auto parts = filter ? parse_filter(*filter) : std::nullopt;
      if (!parts) return refuse(R"(a filter is written [?(@.member=="text")])");
      path.steps_.emplace_back(Matching{std::move(parts->first), std::move(parts->second)});
    } else if (text.take("['")) {
      const auto name = text.until("']");
      if (!name) return refuse("an opened ['...'] is not closed");
      path.steps_.emplace_back(std::string(*name));
    } else if (text.take("[")) {
      const auto inside = text.until("]");
      const auto index = inside ? number(*inside) : std::nullopt;
      if (!index) return refuse("an index is a whole number in brackets");
      path.steps_.emplace_back(*index);
    } else if (text.take(".")) {
      auto name = text.name();
      if (name.empty()) return refuse("a member has no name");
      path.steps_.emplace_back(std::move(name));
    } else {
      return refuse("begins with neither '.' nor '['");
    }
  }
  if (path.steps_.empty()) return refuse("is empty");
  return path;
}

const json* JsonPath::find(const json& root) const {
  const json* at = &root;
  for (const auto& step : steps_) {
    const json* next = nullptr;
    if (const auto* name = std::get_if<std::string>(&step)) {
      next = member(*at, *name);
    } else if (const auto* index = std::get_if<std::size_t>(&step)) {
      if (at->is_array() && *index < at->size()) next = &(*at)[*index];
    } else if (at->is_array()) {
      const auto& wanted = std::get<Matching>(step);
      for (const auto& element : *at) {
        const json* value = &element;
        for (const auto& part : wanted.member) {
          value = value == nullptr ? nullptr : member(*value, part);
        }
        if (value == nullptr || !value->is_string() || *value != wanted.text) continue;
        next = &element;
        break;
      }
    }
    if (next == nullptr) return nullptr;
    at = next;
  }
  return at;
}

}  // namespace podkeeper::kubeapi
