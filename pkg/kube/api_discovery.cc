#include "pkg/kube/api_discovery.h"

#include "pkg/kube/json_member.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace podkeeper::kube {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;
using Json = nlohmann::json;

bool is_path_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= kOfferedNameBytesMax && name.front() != '.' &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
         });
}

bool is_kind(std::string_view kind) noexcept {
  return !kind.empty() && kind.size() <= kOfferedNameBytesMax &&
         std::ranges::all_of(kind, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
         });
}

/// The texts of a list that could stand in a path.
std::vector<std::string> names(const Json& object, const char* key) {
  std::vector<std::string> found;
  for (const auto& item : member_of(object, key)) {
    if (item.is_string() && is_path_name(item.get_ref<const std::string&>())) {
      found.push_back(item.get<std::string>());
    }
  }
  return found;
}

Error wrong(std::string_view document, std::string_view problem) {
  return {ErrorCode::kDecode, std::string(document) + " of discovery " + std::string(problem)};
}

/// The document, if it is of the kind and has the list that it is about.
Result<Json> read(std::string_view json, const char* kind, const char* list) {
  Json document = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) return wrong(kind, "is no JSON");
  if (text_of(document, "kind") != kind) {
    return wrong(kind, "is of the kind \"" + text_of(document, "kind").substr(0, 64) + "\"");
  }
  const auto& items = member_of(document, list);
  if (!items.is_array() && !items.is_null()) {
    return wrong(kind, "has no list in ." + std::string(list));
  }
  return document;
}

/// What both forms call the same.
void read_common(const Json& entry, OfferedResource& into) {
  into.verbs = names(entry, "verbs");
  into.resource.short_names = names(entry, "shortNames");
  into.resource.categories = names(entry, "categories");
}

std::optional<OfferedResource> read_aggregated_resource(const Json& entry,
                                                        const OfferedVersion& in) {
  OfferedResource found;
  found.resource.group = in.group;
  found.resource.version = in.version;
  found.resource.plural = text_of(entry, "resource");
  found.resource.singular = text_of(entry, "singularResource");
  found.resource.kind = text_of(member_of(entry, "responseKind"), "kind");
  found.resource.namespaced = text_of(entry, "scope") == "Namespaced";
  // Without a kind an entry only carries subresources.
  if (!is_path_name(found.resource.plural) || !is_kind(found.resource.kind)) return std::nullopt;
  read_common(entry, found);
  for (const auto& subresource : member_of(entry, "subresources")) {
    found.subresources.push_back(text_of(subresource, "subresource"));
  }
  return found;
}

std::optional<OfferedVersion> read_aggregated_version(const Json& entry, const std::string& group) {
  OfferedVersion found{.group = group, .version = text_of(entry, "version"), .resources = {}};
  if (!is_path_name(found.version)) return std::nullopt;
  found.stale = text_of(entry, "freshness") == "Stale";
  for (const auto& resource : member_of(entry, "resources")) {
    if (auto one = read_aggregated_resource(resource, found)) {
      found.resources.push_back(*std::move(one));
    }
  }
  return found;
}

}  // namespace

bool OfferedResource::has_verb(std::string_view verb) const noexcept {
  return std::ranges::find(verbs, verb) != verbs.end();
}

bool OfferedResource::has_subresource(std::string_view name) const noexcept {
  return std::ranges::find(subresources, name) != subresources.end();
}

Result<std::vector<OfferedVersion>> parse_aggregated_discovery(std::string_view json) {
  const auto document = read(json, "APIGroupDiscoveryList", "items");
  if (!document) return document.error();
  std::vector<OfferedVersion> found;
  for (const auto& item : member_of(*document, "items")) {
    const std::string group = text_of(member_of(item, "metadata"), "name");
    if (!group.empty() && !is_path_name(group)) continue;
    for (const auto& entry : member_of(item, "versions")) {
      if (auto version = read_aggregated_version(entry, group))
        found.push_back(*std::move(version));
    }
  }
  return found;
}

Result<std::vector<GroupVersions>> parse_group_list(std::string_view json) {
  if (const auto core = read(json, "APIVersions", "versions")) {
    return std::vector<GroupVersions>{{.group = "", .versions = names(*core, "versions")}};
  }
  const auto document = read(json, "APIGroupList", "groups");
  if (!document) return document.error();
  std::vector<GroupVersions> found;
  for (const auto& item : member_of(*document, "groups")) {
    GroupVersions group{.group = text_of(item, "name"), .versions = {}};
    if (!is_path_name(group.group)) continue;
    for (const auto& entry : member_of(item, "versions")) {
      auto version = text_of(entry, "version");
      if (is_path_name(version)) group.versions.push_back(std::move(version));
    }
    const auto preferred =
        std::ranges::find(group.versions, text_of(member_of(item, "preferredVersion"), "version"));
    if (preferred != group.versions.end()) {
      std::rotate(group.versions.begin(), preferred, preferred + 1);
    }
    found.push_back(std::move(group));
  }
  return found;
}

Result<OfferedVersion> parse_resource_list(std::string_view json, std::string group,
                                           std::string version) {
  const auto document = read(json, "APIResourceList", "resources");
  if (!document) return document.error();
  OfferedVersion found{.group = std::move(group), .version = std::move(version), .resources = {}};
  std::vector<std::pair<std::string, std::string>> subresources;
  for (const auto& entry : member_of(*document, "resources")) {
    auto name = text_of(entry, "name");
    if (const auto slash = name.find('/'); slash != std::string::npos) {
      subresources.emplace_back(name.substr(0, slash), name.substr(slash + 1));
      continue;
    }
    OfferedResource one;
    one.resource.group = found.group;
    one.resource.version = found.version;
    one.resource.plural = std::move(name);
    one.resource.singular = text_of(entry, "singularName");
    one.resource.kind = text_of(entry, "kind");
    one.resource.namespaced = member_of(entry, "namespaced") == Json(true);
    if (!is_path_name(one.resource.plural) || !is_kind(one.resource.kind)) continue;
    read_common(entry, one);
    found.resources.push_back(std::move(one));
  }
  for (auto& [plural, subresource] : subresources) {
    for (auto& one : found.resources) {
      if (one.resource.plural == plural) one.subresources.push_back(subresource);
    }
  }
  return found;
}

}  // namespace podkeeper::kube
