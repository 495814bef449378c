#pragma once

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace podkeeper::simkube {

using Json = nlohmann::ordered_json;

/// A set of fields of an object, as a tree: FieldsV1 of metadata.managedFields. A path element is
/// written as it is there: f:name of a member, k:{"type":"Ready"} of an element of a list that is a
/// map, v:"text" of an element of a set. A plain value; no operation keeps a branch that holds
/// nothing. Operations are O(fields of both).
struct FieldSet {
  bool owned = false;  ///< this field itself, not only what is in it
  std::map<std::string, FieldSet, std::less<>> below = {};

  [[nodiscard]] bool empty() const noexcept { return !owned && below.empty(); }
  /// Null where nothing at or below the element is held.
  [[nodiscard]] const FieldSet* find(std::string_view element) const;
  /// Adds a branch, unless it is empty.
  void put(std::string element, FieldSet branch);
};

FieldSet unite(FieldSet a, const FieldSet& b);
FieldSet intersect(const FieldSet& a, const FieldSet& b);
/// The fields of `a` that `b` does not hold.
FieldSet subtract(const FieldSet& a, const FieldSet& b);

Json to_fields_v1(const FieldSet& set);
/// What is no FieldsV1, or lies deeper than kFieldDepthMax, is left out.
FieldSet from_fields_v1(const Json& fields);
inline constexpr std::size_t kFieldDepthMax = 600;

/// A path element as it is shown: ".name", "[type=\"Ready\"]".
std::string path_element(std::string_view element);
/// Every field, as conflicts name it: ".status.conditions[type=\"Ready\"].reason".
void for_each_path(const FieldSet& set, const std::function<void(std::string path)>& visit);

}  // namespace podkeeper::simkube
