#pragma once

#include "pkg/base/result.h"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace podkeeper::kubeapi {

/// The part of Kubernetes' JSONPath that printer columns and selectable fields use: members
/// (`.a.b`, `.a\.b`, `['a.b']`), elements (`[0]`), and the first element whose member is a text
/// (`[?(@.type=="Ready")]`). One value at most. Immutable once parsed.
class JsonPath {
 public:
  /// kInvalidArgument names the path and where it cannot be read.
  static base::Result<JsonPath> parse(std::string_view text);
  /// What stands there; null where nothing does. O(path + elements looked at).
  [[nodiscard]] const nlohmann::json* find(const nlohmann::json& root) const;
  friend bool operator==(const JsonPath&, const JsonPath&) = default;

 private:
  struct Matching {
    std::vector<std::string> member;
    std::string text;
    friend bool operator==(const Matching&, const Matching&) = default;
  };
  using Step = std::variant<std::string, std::size_t, Matching>;
  std::vector<Step> steps_;
};

/// Steps of a path beyond this are refused.
inline constexpr std::size_t kJsonPathStepsMax = 64;

}  // namespace podkeeper::kubeapi
