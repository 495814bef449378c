#include "pkg/simkube/strategic_merge.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace podkeeper::simkube {
namespace {

using Done = std::expected<void, std::string>;

constexpr const char* kDirective = "$patch";
constexpr const char* kRetainKeys = "$retainKeys";
constexpr std::string_view kOrder = "$setElementOrder/";
constexpr std::string_view kDeleteFromList = "$deleteFromPrimitiveList/";

/// A list that merges, by the member that holds it: its elements are one when their `key` is; empty
/// for a list of plain values. As the patchMergeKey tags of Kubernetes' types say.
struct MergingList {
  std::string_view parent, field, key;
};
constexpr MergingList kLists[] = {
    {"metadata", "ownerReferences", "uid"},
    {"metadata", "finalizers", ""},
    {"", "secrets", "name"},
    {"spec", "ports", "port"},
    {"spec", "containers", "name"},
    {"spec", "initContainers", "name"},
    {"spec", "volumes", "name"},
    {"spec", "imagePullSecrets", "name"},
    {"spec", "hostAliases", "ip"},
    {"spec", "topologySpreadConstraints", "topologyKey"},
    {"spec", "schedulingGates", "name"},
    {"spec", "podCIDRs", ""},
    {"containers", "ports", "containerPort"},
    {"containers", "env", "name"},
    {"containers", "volumeMounts", "mountPath"},
    {"containers", "volumeDevices", "devicePath"},
    {"status", "conditions", "type"},
    {"status", "addresses", "type"},
    {"status", "podIPs", "ip"},
    {"status", "hostIPs", "ip"},
};

/// Null for a list that is replaced as a whole.
const MergingList* merging_list(std::string_view parent, std::string_view field) {
  if (parent == "initContainers") parent = "containers";
  const auto* const found = std::ranges::find_if(
      kLists, [&](const auto& row) { return row.parent == parent && row.field == field; });
  return found == std::end(kLists) ? nullptr : found;
}

Json* find_member(Json& object, std::string_view key) {
  const auto found = object.find(std::string(key));
  return found == object.end() ? nullptr : &*found;
}

std::string directive_of(const Json& patch) {
  const auto found = patch.is_object() ? patch.find(kDirective) : patch.end();
  return found != patch.end() && found->is_string() ? found->get<std::string>() : "";
}

/// What an element is known by; null where it has no such member.
Json identity(const Json& element, const MergingList& list) {
  if (list.key.empty()) return element;
  return element.is_object() ? element.value(std::string(list.key), Json()) : Json();
}

Json::iterator find_element(Json& elements, const Json& wanted, const MergingList& list) {
  return std::ranges::find_if(elements,
                              [&](const Json& one) { return identity(one, list) == wanted; });
}

Done merge_object(Json& into, const Json& patch, std::string_view name);

Done merge_element(Json& into, const Json& element, const MergingList& list) {
  const auto key = identity(element, list);
  if (key.is_null()) {
    return std::unexpected("an element of " + std::string(list.field) + " has no " +
                           std::string(list.key));
  }
  const auto found = find_element(into, key, list);
  if (directive_of(element) == "delete") {
    if (found != into.end()) into.erase(found);
    return {};
  }
  if (list.key.empty()) {
    if (found == into.end()) into.push_back(element);
    return {};
  }
  if (found != into.end()) return merge_object(*found, element, list.field);
  Json fresh = Json::object();
  auto done = merge_object(fresh, element, list.field);
  if (done) into.push_back(std::move(fresh));
  return done;
}

Done merge_list(Json& into, const Json& patch, std::string_view parent, std::string_view field) {
  const auto* const list = merging_list(parent, field);
  const bool replaces =
      std::ranges::any_of(patch, [](const Json& one) { return directive_of(one) == "replace"; });
  if (list == nullptr || replaces || !into.is_array()) into = Json::array();
  for (const auto& element : patch) {
    if (directive_of(element) == "replace") continue;
    if (list == nullptr) {
      into.push_back(element);
    } else if (auto done = merge_element(into, element, *list); !done) {
      return done;
    }
  }
  return {};
}

/// Puts the elements that `order` names into its order; the others, which the patch's author does
/// not know, stay before the same neighbours as far as that is possible.
void reorder(Json& elements, const Json& order, const MergingList& list) {
  using Place = std::pair<std::size_t, std::size_t>;  // where it stands, where it is to stand
  std::vector<Place> named, others;
  for (std::size_t at = 0; at < elements.size(); ++at) {
    const auto wanted = std::ranges::find_if(order, [&](const Json& one) {
      return identity(one, list) == identity(elements[at], list);
    });
    const auto place = static_cast<std::size_t>(wanted - order.begin());
    (wanted == order.end() ? others : named).emplace_back(at, place);
  }
  std::ranges::sort(named, {}, &Place::second);
  Json ordered = Json::array();
  auto other = others.begin();
  for (const auto& [at, place] : named) {
    for (; other != others.end() && other->first < at; ++other) {
      ordered.push_back(std::move(elements[other->first]));
    }
    ordered.push_back(std::move(elements[at]));
  }
  for (; other != others.end(); ++other) ordered.push_back(std::move(elements[other->first]));
  elements = std::move(ordered);
}

/// Directives that stand beside the list they are about; true where `key` is one.
bool apply_to_list(Json& into, const std::string& key, const Json& value, std::string_view parent) {
  if (!key.starts_with('$')) return false;
  const auto slash = key.find('/');
  if (slash == std::string::npos || !value.is_array()) return true;
  const auto field = std::string_view(key).substr(slash + 1);
  auto* const elements = find_member(into, field);
  if (elements == nullptr || !elements->is_array()) return true;
  if (key.starts_with(kDeleteFromList)) {
    for (const auto& gone : value) {
      const auto found = std::ranges::find(*elements, gone);
      if (found != elements->end()) elements->erase(found);
    }
  } else if (const auto* const list = merging_list(parent, field);
             list != nullptr && key.starts_with(kOrder)) {
    reorder(*elements, value, *list);
  }
  return true;
}

void retain_keys(Json& into, const Json& keys) {
  for (auto member = into.begin(); member != into.end();) {
    const bool stays = std::ranges::find(keys, Json(member.key())) != keys.end();
    member = stays ? std::next(member) : into.erase(member);
  }
}

Done merge_member(Json& into, const std::string& key, const Json& value, std::string_view name) {
  if (value.is_null()) {
    into.erase(key);
    return {};
  }
  if (value.is_array()) return merge_list(into[key], value, name, key);
  if (!value.is_object()) {
    into[key] = value;
    return {};
  }
  auto& member = into[key];
  if (!member.is_object()) member = Json::object();
  return merge_object(member, value, key);
}

Done merge_object(Json& into, const Json& patch, std::string_view name) {
  const auto directive = directive_of(patch);
  if (directive == "delete" || directive == "replace") into = Json::object();
  if (directive == "delete") return {};
  if (const auto keys = patch.find(kRetainKeys); keys != patch.end()) retain_keys(into, *keys);
  for (const auto& [key, value] : patch.items()) {
    if (key.starts_with('$')) continue;
    if (auto done = merge_member(into, key, value, name); !done) return done;
  }
  // After the members: an order is one of the merged list.
  for (const auto& [key, value] : patch.items()) (void)apply_to_list(into, key, value, name);
  return {};
}

}  // namespace

std::expected<void, std::string> strategic_merge(Json& object, const Json& patch) {
  return merge_object(object, patch, "");
}

}  // namespace podkeeper::simkube
