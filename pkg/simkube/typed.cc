#include "pkg/simkube/typed.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::simkube {
namespace {

using Type = Schema::Type;
using ListType = Schema::ListType;

/// How a value comes apart.
enum class Shape { kWhole, kMembers, kKeyed, kSet };

/// Of what a schema does not name: objects come apart, lists do not.
const Schema& anything() {
  static const Schema kAnything = [] {
    Schema schema;
    schema.preserve_unknown = true;
    return schema;
  }();
  return kAnything;
}

std::string text(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// k:{...} of an element of a list with keys; nothing where one is missing.
std::optional<std::string> keyed(const Schema& list, const Json& element) {
  if (!element.is_object()) return std::nullopt;
  nlohmann::json keys = nlohmann::json::object();  // sorted, as FieldsV1 has them
  for (const auto& key : list.list_keys) {
    const auto found = element.find(key);
    if (found == element.end() || found->is_structured() || found->is_null()) return std::nullopt;
    keys[key] = nlohmann::json(*found);
  }
  return "k:" + text(Json(keys));
}

std::optional<std::string> element_name(const Schema& list, const Json& element) {
  if (list.list_type == ListType::kMap) return keyed(list, element);
  if (element.is_structured()) return std::nullopt;
  return "v:" + text(element);
}

Shape shape_of(const Schema& schema, const Json& value) {
  if (value.is_object()) {
    const bool apart = (schema.type == Type::kObject || schema.type == Type::kAny);
    return apart && !schema.atomic ? Shape::kMembers : Shape::kWhole;
  }
  if (!value.is_array() || schema.list_type == ListType::kAtomic) return Shape::kWhole;
  std::set<std::string> seen;
  for (const auto& element : value) {
    auto name = element_name(schema, element);
    if (!name || !seen.insert(*std::move(name)).second) return Shape::kWhole;
  }
  return schema.list_type == ListType::kMap ? Shape::kKeyed : Shape::kSet;
}

/// The schema of what is in a value.
const Schema& inner(const Schema& schema, Shape shape, const std::string& element) {
  if (shape != Shape::kMembers) return schema.items ? *schema.items : anything();
  const auto named = schema.properties.find(element.substr(2));
  if (named != schema.properties.end()) return *named->second;
  return schema.additional ? *schema.additional : anything();
}

/// Whether the field is one that the schema names, and not an entry that somebody added.
bool is_named(const Schema& schema, Shape shape, const std::string& element) {
  return shape == Shape::kMembers && schema.properties.contains(element.substr(2));
}

/// The parts of a value that comes apart, by path element, in their order.
using Parts = std::vector<std::pair<std::string, const Json*>>;
Parts parts(const Schema& schema, Shape shape, const Json& value) {
  Parts found;
  if (shape == Shape::kMembers) {
    for (const auto& [key, member] : value.items()) found.emplace_back("f:" + key, &member);
  } else if (shape != Shape::kWhole) {
    for (const auto& element : value) {
      found.emplace_back(element_name(schema, element).value(), &element);
    }
  }
  return found;
}

Difference compared(const Schema& schema, const Json* before, const Json* after) {
  Difference difference;
  const Shape shape = shape_of(schema, before != nullptr ? *before : *after);
  const bool both = before != nullptr && after != nullptr;
  const bool whole = shape == Shape::kWhole || (both && shape_of(schema, *after) != shape);
  if (before == nullptr) difference.added.owned = true;
  if (after == nullptr) difference.removed.owned = true;
  if (whole && both) difference.changed.owned = *before != *after;
  if (whole) return difference;
  std::map<std::string, std::pair<const Json*, const Json*>> pairs;
  if (before != nullptr) {
    for (const auto& [element, part] : parts(schema, shape, *before)) pairs[element].first = part;
  }
  if (after != nullptr) {
    for (const auto& [element, part] : parts(schema, shape, *after)) pairs[element].second = part;
  }
  for (const auto& [element, pair] : pairs) {
    auto below = compared(inner(schema, shape, element), pair.first, pair.second);
    difference.added.put(element, std::move(below.added));
    difference.changed.put(element, std::move(below.changed));
    difference.removed.put(element, std::move(below.removed));
  }
  return difference;
}

/// Two lists that come apart. The order is structured-merge-diff's (mergeListItems): that of the
/// configuration for what both have, and what only `live` has stays behind the element of both
/// that it stood behind.
class ListMerge {
 public:
  ListMerge(const Schema& schema, Shape shape, const Json& live, const Json& configuration)
      : schema_(schema),
        shape_(shape),
        ours_(parts(schema, shape, live)),
        theirs_(parts(schema, shape, configuration)),
        held_(ours_.begin(), ours_.end()) {
    for (const auto& [element, part] : theirs_) wanted_.insert(element);
  }

  Json run() {
    auto live = ours_.begin();
    while (live != ours_.end() || next_ != theirs_.end()) {
      if (live != ours_.end()) {
        const auto& [element, part] = *live;
        if (!wanted_.contains(element)) {
          merged_.push_back(*part);
          ++live;
          continue;
        }
        const auto* const shared = next_shared();
        if (done_.contains(element) || (shared != nullptr && *shared != element)) {
          ++live;
          continue;
        }
      }
      if (next_ != theirs_.end()) take_next();
    }
    return std::move(merged_);
  }

 private:
  /// The next element of the configuration that `live` has as well.
  const std::string* next_shared() const {
    for (auto at = next_; at != theirs_.end(); ++at) {
      if (held_.contains(at->first)) return &at->first;
    }
    return nullptr;
  }
  void take_next() {
    const auto& [element, part] = *next_++;
    const auto was = held_.find(element);
    const Schema& of = inner(schema_, shape_, element);
    merged_.push_back(was == held_.end() ? *part : merge(of, *was->second, *part));
    done_.insert(element);
  }

  const Schema& schema_;
  const Shape shape_;
  const Parts ours_, theirs_;
  const std::map<std::string, const Json*> held_;
  std::set<std::string> wanted_, done_;
  Parts::const_iterator next_ = theirs_.begin();
  Json merged_ = Json::array();
};

/// Looks for what is not of its schema's type.
class Typing {
 public:
  explicit Typing(std::vector<std::string>& errors) : errors_(errors) {}

  void check(const Schema& schema, const Json& value, const std::string& path) {
    if (value.is_null()) return;
    if (!is_of_type(schema, value)) {
      errors_.push_back(path + ": expected " + expected(schema.type) + ", got " +
                        value.type_name());
      return;
    }
    if (value.is_object()) check_members(schema, value, path);
    if (value.is_array()) check_elements(schema, value, path);
  }

 private:
  static bool is_of_type(const Schema& schema, const Json& value) {
    switch (schema.type) {
      case Type::kObject:
        return value.is_object();
      case Type::kArray:
        return value.is_array();
      case Type::kString:
        return value.is_string();
      case Type::kInteger:
      case Type::kNumber:
        return value.is_number();
      case Type::kBoolean:
        return value.is_boolean();
      case Type::kAny:
        return true;
    }
    std::unreachable();
  }
  static std::string expected(Type type) {
    if (type == Type::kObject) return "map";
    if (type == Type::kArray) return "list";
    const bool numeric = type == Type::kInteger || type == Type::kNumber;
    return numeric ? "numeric (int or float)" : to_string(type);
  }
  void check_members(const Schema& schema, const Json& value, const std::string& path) {
    for (const auto& [key, member] : value.items()) {
      const std::string here = path + "." + key;
      const bool known = schema.properties.contains(key) || schema.additional ||
                         schema.preserve_unknown || schema.embedded_resource ||
                         schema.type == Type::kAny;
      if (known) {
        check(inner(schema, Shape::kMembers, "f:" + key), member, here);
      } else {
        errors_.push_back(here + ": field not declared in schema");
      }
    }
  }
  void check_elements(const Schema& schema, const Json& value, const std::string& path) {
    std::set<std::string> seen;
    std::size_t index = 0;
    for (const auto& element : value) {
      const std::string at = std::to_string(index++);
      if (schema.items) check(*schema.items, element, path + "[" + at + "]");
      if (schema.list_type == ListType::kAtomic) continue;
      auto name = element_name(schema, element);
      if (!name) {
        errors_.push_back(path + ": element " + at +
                          ": associative list with keys has an element "
                          "that omits key fields");
      } else if (!seen.insert(*name).second) {
        errors_.push_back(path + ": duplicate entries for key " + path_element(*name));
      }
    }
  }

  std::vector<std::string>& errors_;
};

bool is_empty(const Json& value) { return value.is_structured() && value.empty(); }

}  // namespace

FieldSet fields_of(const Schema& schema, const Json& configuration) {
  FieldSet set;
  const Shape shape = shape_of(schema, configuration);
  set.owned = shape == Shape::kWhole;
  for (const auto& [element, part] : parts(schema, shape, configuration)) {
    auto branch = fields_of(inner(schema, shape, element), *part);
    const bool nothing_in_it = part->is_null() || (part->is_object() && part->empty());
    branch.owned |= nothing_in_it || !is_named(schema, shape, element);
    set.put(element, std::move(branch));
  }
  return set;
}

Json merge(const Schema& schema, const Json& live, const Json& configuration) {
  const Shape shape = shape_of(schema, configuration);
  if (shape == Shape::kWhole || shape != shape_of(schema, live)) return configuration;
  if (shape != Shape::kMembers) {
    return ListMerge(schema, shape, live, configuration).run();
  }
  Json merged = live;
  for (const auto& [key, member] : configuration.items()) {
    const auto held = live.find(key);
    const Schema& of = inner(schema, shape, "f:" + key);
    merged[key] = held == live.end() ? member : merge(of, *held, member);
  }
  return merged;
}

Difference compare(const Schema& schema, const Json& before, const Json& after) {
  auto difference = compared(schema, &before, &after);
  for (auto* set : {&difference.added, &difference.changed, &difference.removed}) {
    set->owned = false;
  }
  return difference;
}

bool prune_fields(const Schema& schema, Json& object, const FieldSet& last, const FieldSet& held) {
  static const FieldSet kNobody;
  const Shape shape = shape_of(schema, object);
  if (shape == Shape::kWhole) return false;
  bool left_null = false;
  Json rest = shape == Shape::kMembers ? Json::object() : Json::array();
  for (const auto& [element, part] : parts(schema, shape, object)) {
    const auto* const was = last.find(element);
    const auto* const still = held.find(element);
    const FieldSet& owners = still == nullptr ? kNobody : *still;
    Json kept = *part;
    bool goes = false;
    if (was != nullptr) {
      const Schema& of = inner(schema, shape, element);
      const bool entry = !is_named(schema, shape, element);
      goes = was->owned && !owners.owned && (entry || shape_of(of, kept) == Shape::kWhole);
      const bool full = !is_empty(kept);
      if (!goes && full) left_null |= prune_fields(of, kept, *was, owners);
      goes |= is_empty(kept) && owners.empty();
      if (!goes && full && is_empty(kept)) {
        kept = nullptr;
        left_null = true;
      }
    }
    if (goes) continue;
    if (shape == Shape::kMembers) {
      rest[element.substr(2)] = std::move(kept);
    } else {
      rest.push_back(std::move(kept));
    }
  }
  object = std::move(rest);
  return left_null;
}

std::vector<std::string> typing_errors(const Schema& schema, const Json& configuration) {
  std::vector<std::string> errors;
  Typing(errors).check(schema, configuration, "");
  return errors;
}

}  // namespace podkeeper::simkube
