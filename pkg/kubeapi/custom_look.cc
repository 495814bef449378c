#include "pkg/kubeapi/custom_look.h"

#include "pkg/kube/json_member.h"

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

std::optional<PrinterColumn> read_column(const Json& given) {
  const auto place = kube::text_of(given, "jsonPath");
  auto path = JsonPath::parse(place);
  auto name = kube::text_of(given, "name"), type = kube::text_of(given, "type");
  if (!path || name.empty() || std::ranges::find(kTypes, type) == kTypes.end()) return std::nullopt;
  auto description = kube::text_of(given, "description");
  if (description.empty()) {
    description = "Custom resource definition column (in JSONPath format): " + place;
  }
  const auto& priority = kube::member_of(given, "priority");
  return PrinterColumn{.name = std::move(name),
                       .type = std::move(type),
                       .format = kube::text_of(given, "format"),
                       .description = std::move(description),
                       .priority = priority.is_number_integer() ? priority.get<std::int32_t>() : 0,
                       .path = *std::move(path)};
}

CustomLook look_of(const Json& version) {
  CustomLook look;
  for (const auto& given : kube::member_of(version, "additionalPrinterColumns")) {
    if (auto column = read_column(given)) look.columns.push_back(*std::move(column));
  }
  if (look.columns.empty()) look.columns.push_back(age_column());
  for (const auto& field : kube::member_of(version, "selectableFields")) {
    const auto path = kube::text_of(field, "jsonPath");
    if (path.starts_with('.') && path.find_first_of("[]\\") == std::string::npos) {
      look.selectable_fields.push_back(path.substr(1));
    }
  }
  return look;
}

}  // namespace

base::Result<CustomLook> read_custom_look(std::string_view definition, std::string_view version) {
  const Json json = Json::parse(definition, nullptr, /*allow_exceptions=*/false);
  const auto& versions = kube::member_of(kube::member_of(json, "spec"), "versions");
  if (!versions.is_array()) {
    return Error{ErrorCode::kDecode,
                 "it is no CustomResourceDefinition of apiextensions.k8s.io/v1"};
  }
  for (const auto& one : versions) {
    if (kube::text_of(one, "name") == version) return look_of(one);
  }
  return Error{ErrorCode::kNotFound, "it has no version " + std::string(version)};
}

}  // namespace podkeeper::kubeapi
