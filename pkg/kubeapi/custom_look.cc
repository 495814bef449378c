#include "pkg/kubeapi/custom_look.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>

namespace podkeeper::kubeapi {
namespace {

using base::Error;
using base::ErrorCode;
using Json = nlohmann::json;

constexpr std::array<std::string_view, 5> kTypes = {"boolean", "date", "integer", "number",
                                                    "string"};

/// The member, or null where `object` is none or lacks it.
const Json& at(const Json& object, const char* key) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(key);
  return found == object.end() ? kNothing : *found;
}

std::string text(const Json& object, const char* key) {
  const auto& value = at(object, key);
  return value.is_string() ? value.get<std::string>() : "";
}

std::optional<PrinterColumn> read_column(const Json& given) {
  const auto place = text(given, "jsonPath");
  auto path = JsonPath::parse(place);
  auto name = text(given, "name"), type = text(given, "type");
  if (!path || name.empty() || std::ranges::find(kTypes, type) == kTypes.end()) return std::nullopt;
  auto description = text(given, "description");
  if (description.empty()) {
    description = "Custom resource definition column (in JSONPath format): " + place;
  }
  const auto& priority = at(given, "priority");
  return PrinterColumn{.name = std::move(name),
                       .type = std::move(type),
                       .format = text(given, "format"),
                       .description = std::move(description),
                       .priority = priority.is_number_integer() ? priority.get<std::int32_t>() : 0,
                       .path = *std::move(path)};
}

CustomLook look_of(const Json& version) {
  CustomLook look;
  for (const auto& given : at(version, "additionalPrinterColumns")) {
    if (auto column = read_column(given)) look.columns.push_back(*std::move(column));
  }
  if (look.columns.empty()) look.columns.push_back(age_column());
  for (const auto& field : at(version, "selectableFields")) {
    const auto path = text(field, "jsonPath");
    if (path.starts_with('.') && path.find_first_of("[]\\") == std::string::npos) {
      look.selectable_fields.push_back(path.substr(1));
    }
  }
  return look;
}

}  // namespace

base::Result<CustomLook> read_custom_look(std::string_view definition, std::string_view version) {
  const Json json = Json::parse(definition, nullptr, /*allow_exceptions=*/false);
  const auto& versions = at(at(json, "spec"), "versions");
  if (!versions.is_array()) {
    return Error{ErrorCode::kDecode,
                 "it is no CustomResourceDefinition of apiextensions.k8s.io/v1"};
  }
  for (const auto& one : versions) {
    if (text(one, "name") == version) return look_of(one);
  }
  return Error{ErrorCode::kNotFound, "it has no version " + std::string(version)};
}

}  // namespace podkeeper::kubeapi
