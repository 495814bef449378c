#include "pkg/simkube/faults.h"

#include <nlohmann/json.hpp>

#include <utility>

namespace podkeeper::simkube {
namespace {

std::string shown(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string with_detail(std::string text, std::string_view detail) {
  if (!detail.empty()) text.append(": ").append(detail);
  return text;
}

std::string at_most(std::size_t max, std::string_view thing) {
  return std::to_string(max) + " " + std::string(thing) + (max == 1 ? "" : "s");
}

}  // namespace

Fault required(std::string field, std::string_view detail) {
  return {std::move(field), "FieldValueRequired", with_detail("Required value", detail)};
}

Fault invalid_value(std::string field, const Json& value, std::string_view detail) {
  return {std::move(field), "FieldValueInvalid",
          with_detail("Invalid value: " + shown(value), detail)};
}

Fault wrong_type(std::string field, std::string_view value, std::string_view detail) {
  return {std::move(field), "FieldValueTypeInvalid",
          with_detail("Invalid value: " + shown(Json(value)), detail)};
}

Fault unsupported(std::string field, const Json& value, const std::vector<Json>& allowed) {
  std::string detail = "supported values: ";
  for (const auto& one : allowed) {
    if (&one != &allowed.front()) detail += ", ";
    detail += shown(one.is_string() ? one : Json(shown(one)));
  }
  return {std::move(field), "FieldValueNotSupported",
          with_detail("Unsupported value: " + shown(value), detail)};
}

Fault too_long(std::string field, std::size_t max) {
  return {std::move(field), "FieldValueTooLong",
          "Too long: may not be more than " + at_most(max, "byte")};
}

Fault too_many(std::string field, std::size_t held, std::size_t max) {
  return {std::move(field), "FieldValueTooMany",
          "Too many: " + std::to_string(held) + ": must have at most " + at_most(max, "item")};
}

Fault duplicate(std::string field, const Json& value) {
  return {std::move(field), "FieldValueDuplicate", "Duplicate value: " + shown(value)};
}

Fault forbidden(std::string field, std::string_view detail) {
  return {std::move(field), "FieldValueForbidden", with_detail("Forbidden", detail)};
}

kube::Status invalid(const kube::Resource& resource, std::string_view name,
                     const std::vector<Fault>& faults) {
  kube::Status status;
  std::string all;
  for (const auto& fault : faults) {
    if (!all.empty()) all += ", ";
    all += fault.field + ": " + fault.message;
    status.causes.push_back({fault.reason, fault.message, fault.field});
  }
  if (faults.size() > 1) all = "[" + all + "]";
  const std::string kind =
      resource.group.empty() ? resource.kind : resource.kind + "." + resource.group;
  status.message = kind + " \"" + std::string(name) + "\" is invalid: " + all;
  status.reason = "Invalid";
  status.code = 422;
  status.name = name;
  status.group = resource.group;
  status.kind = resource.kind;
  return status;
}

}  // namespace podkeeper::simkube
