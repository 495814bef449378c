#include "pkg/simkube/field_set.h"

#include <nlohmann/json.hpp>

#include <utility>

namespace podkeeper::simkube {
namespace {

constexpr const char* kItself = ".";

FieldSet read(const Json& fields, std::size_t depth) {
  FieldSet set;
  if (!fields.is_object() || depth > kFieldDepthMax) return set;
  set.owned = fields.empty();
  for (const auto& [element, inner] : fields.items()) {
    if (element == kItself) {
      set.owned = true;
    } else {
      set.put(element, read(inner, depth + 1));
    }
  }
  return set;
}

void visit_below(const FieldSet& set, const std::string& path,
                 const std::function<void(std::string)>& visit) {
  for (const auto& [element, inner] : set.below) {
    const std::string here = path + path_element(element);
    if (inner.owned) visit(here);
    visit_below(inner, here, visit);
  }
}

}  // namespace

std::string path_element(std::string_view element) {
  const std::string text(element.substr(2));
  if (element.starts_with("f:")) return "." + text;
  if (element.starts_with("v:")) return "[=" + text + "]";
  const Json keys = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  std::string inside;
  if (!keys.is_object()) return "[" + text + "]";
  for (const auto& [key, value] : keys.items()) {
    if (!inside.empty()) inside += ",";
    inside.append(key).append("=").append(
        value.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  return "[" + inside + "]";
}

const FieldSet* FieldSet::find(std::string_view element) const {
  const auto at = below.find(element);
  return at == below.end() ? nullptr : &at->second;
}

void FieldSet::put(std::string element, FieldSet branch) {
  if (!branch.empty()) below.insert_or_assign(std::move(element), std::move(branch));
}

FieldSet unite(FieldSet a, const FieldSet& b) {
  a.owned |= b.owned;
  for (const auto& [element, inner] : b.below) {
    auto& branch = a.below[element];
    branch = unite(std::move(branch), inner);
  }
  return a;
}

FieldSet intersect(const FieldSet& a, const FieldSet& b) {
  FieldSet both{.owned = a.owned && b.owned};
  for (const auto& [element, inner] : a.below) {
    if (const auto* const other = b.find(element)) both.put(element, intersect(inner, *other));
  }
  return both;
}

FieldSet subtract(const FieldSet& a, const FieldSet& b) {
  FieldSet rest{.owned = a.owned && !b.owned};
  for (const auto& [element, inner] : a.below) {
    const auto* const other = b.find(element);
    rest.put(element, other == nullptr ? inner : subtract(inner, *other));
  }
  return rest;
}

Json to_fields_v1(const FieldSet& set) {
  Json fields = Json::object();
  if (set.owned && !set.below.empty()) fields[kItself] = Json::object();
  for (const auto& [element, inner] : set.below) fields[element] = to_fields_v1(inner);
  return fields;
}

FieldSet from_fields_v1(const Json& fields) {
  FieldSet set = read(fields, 0);
  set.owned = false;
  return set;
}

void for_each_path(const FieldSet& set, const std::function<void(std::string)>& visit) {
  visit_below(set, "", visit);
}

}  // namespace podkeeper::simkube
