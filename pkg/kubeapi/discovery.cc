#include "pkg/kubeapi/discovery.h"

#include "pkg/kube/json_text.h"
#include "pkg/kubeapi/errors.h"
#include "pkg/kubeapi/json_text.h"
#include "pkg/kubeapi/negotiate.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace podkeeper::kubeapi {
namespace {

using Resources = std::vector<Discovered>;

constexpr std::string_view kReadVerbs = R"(["get","list","watch"])";
constexpr std::string_view kWriteVerbs =
    R"(["create","delete","get","list","patch","update","watch"])";
constexpr std::string_view kStatusReadVerbs = R"(["get"])";
constexpr std::string_view kStatusWriteVerbs = R"(["get","patch","update"])";
constexpr std::string_view kAggregatedType =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

std::string_view verbs(bool writable) { return writable ? kWriteVerbs : kReadVerbs; }
std::string_view status_verbs(bool writable) {
  return writable ? kStatusWriteVerbs : kStatusReadVerbs;
}

/// `,"KEY":["po"]`, or nothing for an empty list.
std::string text_list(std::string_view key, const std::vector<std::string>& texts) {
  if (texts.empty()) return "";
  std::string json = R"(,")" + std::string(key) + R"(":[)";
  for (const auto& text : texts) {
    if (!json.ends_with('[')) json += ',';
    kube::append_json_string(json, text);
  }
  return json + ']';
}

std::string names_and_categories(const kube::Resource& resource) {
  return text_list("shortNames", resource.short_names) +
         text_list("categories", resource.categories);
}

std::string legacy_resource(const Discovered& served, bool writable) {
  const auto& resource = *served.resource;
  const std::string kind = json_string(resource.kind);
  const std::string_view namespaced = resource.namespaced ? "true" : "false";
  std::string json = R"({"name":)" + json_string(resource.plural) + R"(,"singularName":)" +
                     json_string(resource.singular) + R"(,"namespaced":)";
  json += namespaced;
  json += R"(,"kind":)" + kind + R"(,"verbs":)";
  json += verbs(writable);
  json += names_and_categories(resource) + "}";
  if (!served.has_status) return json;
  json += R"(,{"name":)" + json_string(resource.plural + "/status") +
          R"(,"singularName":"","namespaced":)";
  json += namespaced;
  json += R"(,"kind":)" + kind + R"(,"verbs":)";
  json += status_verbs(writable);
  return json + "}";
}

std::string aggregated_resource(const Discovered& served, bool writable) {
  const auto& resource = *served.resource;
  // Empty group and version mean those of the list, as upstream has it.
  const std::string kind =
      R"("responseKind":{"group":"","version":"","kind":)" + json_string(resource.kind) + "}";
  std::string json =
      R"({"resource":)" + json_string(resource.plural) + "," + kind + R"(,"scope":")";
  json += resource.namespaced ? "Namespaced" : "Cluster";
  json += R"(","singularResource":)" + json_string(resource.singular) + R"(,"verbs":)";
  json += verbs(writable);
  json += names_and_categories(resource);
  if (!served.has_status) return json + "}";
  json += R"(,"subresources":[{"subresource":"status",)" + kind + R"(,"verbs":)";
  json += status_verbs(writable);
  return json + "}]}";
}

/// Groups in the order served, each with its versions in the order served.
std::vector<std::pair<std::string, std::vector<std::string>>> group_versions(
    const Resources& served) {
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  for (const auto& [resource, has_status] : served) {
    auto group = std::ranges::find(groups, resource->group,
                                   &std::pair<std::string, std::vector<std::string>>::first);
    if (group == groups.end()) group = groups.insert(groups.end(), {resource->group, {}});
    if (std::ranges::find(group->second, resource->version) == group->second.end()) {
      group->second.push_back(resource->version);
    }
  }
  return groups;
}

std::string aggregated_versions(const Resources& served, const std::string& group,
                                const std::vector<std::string>& versions, bool writable) {
  std::string json;
  for (const auto& version : versions) {
    if (!json.empty()) json += ',';
    json += R"({"version":)" + json_string(version) + R"(,"resources":[)";
    for (const auto& one : served) {
      if (one.resource->group != group || one.resource->version != version) continue;
      if (!json.ends_with('[')) json += ',';
      json += aggregated_resource(one, writable);
    }
    json += R"(],"freshness":"Current"})";
  }
  return json;
}

std::string group_entry(const std::string& group, const std::vector<std::string>& versions) {
  const auto version_entry = [&](const std::string& version) {
    return R"({"groupVersion":)" + json_string(group + "/" + version) + R"(,"version":)" +
           json_string(version) + "}";
  };
  std::string json = R"("name":)" + json_string(group) + R"(,"versions":[)";
  for (const auto& version : versions) {
    if (!json.ends_with('[')) json += ',';
    json += version_entry(version);
  }
  return json + R"(],"preferredVersion":)" + version_entry(versions.front());
}

std::string version_json(std::string_view git_version) {
  // "v1.36.2" -> major 1, minor 36: what kubectl compares with its own.
  const auto first = git_version.find('.');
  const auto second = git_version.find('.', first + 1);
  const auto major = git_version.substr(1, first - 1);
  const auto minor = git_version.substr(first + 1, second - first - 1);
  const std::string compact =
      R"({"major":)" + json_string(major) + R"(,"minor":)" + json_string(minor) +
      R"(,"gitVersion":)" + json_string(git_version) +
      R"(,"gitCommit":"","gitTreeState":"clean","buildDate":"1970-01-01T00:00:00Z",)"
      R"("goVersion":"","compiler":"clang","platform":"linux/amd64"})";
  http::GatheredBody json;
  json.add(compact);
  return indent_json(std::move(json));
}

/// FNV-1a: names a content; nobody gains by making two contents meet.
std::string etag_of(std::string_view body) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : body) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string etag = "\"";
  for (int shift = 60; shift >= 0; shift -= 4) etag += kHex[(hash >> shift) & 15];
  return etag + "\"";
}

std::string aggregated_list(const std::string& items) {
  return R"({"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","metadata":{},"items":[)" +
         items + "]}\n";
}

}  // namespace

Discovery::Discovery(const std::vector<Discovered>& served, bool writable,
                     std::string_view git_version)
    : version_(version_json(git_version)) {
  std::string groups, core, named;
  for (const auto& [group, versions] : group_versions(served)) {
    for (const auto& version : versions) {
      const std::string name = group.empty() ? version : group + "/" + version;
      // Upstream leaves apiVersion out for the core group, and only there.
      std::string list = R"({"kind":"APIResourceList",)";
      if (!group.empty()) list += R"("apiVersion":"v1",)";
      list += R"("groupVersion":)" + json_string(name) + R"(,"resources":[)";
      for (const auto& one : served) {
        if (one.resource->group != group || one.resource->version != version) continue;
        if (!list.ends_with('[')) list += ',';
        list += legacy_resource(one, writable);
      }
      resource_lists_.emplace(name, list + "]}\n");
    }
    const std::string items = aggregated_versions(served, group, versions, writable);
    if (group.empty()) {
      core = R"({"metadata":{},"versions":[)" + items + "]}";
      continue;
    }
    if (!named.empty()) named += ',';
    named += R"({"metadata":{"name":)" + json_string(group) + R"(},"versions":[)" + items + "]}";
    const std::string entry = group_entry(group, versions);
    groups_.emplace(group, R"({"kind":"APIGroup","apiVersion":"v1",)" + entry + "}\n");
    if (!groups.empty()) groups += ',';
    groups += "{" + entry + "}";
  }
  group_list_ = R"({"kind":"APIGroupList","apiVersion":"v1","groups":[)" + groups + "]}\n";
  core_.body = aggregated_list(core);
  core_.etag = etag_of(core_.body);
  named_.body = aggregated_list(named);
  named_.etag = etag_of(named_.body);
}

http::Response Discovery::answer_aggregated(const Aggregated& document,
                                            const http::Request& request) const {
  http::Response response;
  if (request.headers.get("If-None-Match") == document.etag) {
    response.status = 304;
    response.content_type.clear();
  } else {
    response.content_type = kAggregatedType;
    response.body = document.body;
  }
  response.headers.add("ETag", document.etag);
  response.headers.add("Vary", "Accept");
  return response;
}

http::Response Discovery::answer(const PathMatch& match, const http::Request& request) const {
  using Kind = PathMatch::Kind;
  const bool lists_groups = match.kind == Kind::kCoreVersions || match.kind == Kind::kGroups;
  const auto shape = negotiate(request.headers, lists_groups ? Asked::kDiscovery : Asked::kPlain);
  if (match.kind == Kind::kNoSuchPath) return no_such_path();
  if (match.kind == Kind::kNoSuchResource) return no_such_resource();
  if (request.method != "GET") return method_not_allowed();
  if (!shape) return not_acceptable();
  const bool aggregated = shape == Shape::kAggregatedDiscovery;
  switch (match.kind) {
    case Kind::kVersion:
      return http::Response::json(200, version_);
    case Kind::kCoreVersions:
      if (aggregated) return answer_aggregated(core_, request);
      return http::Response::json(
          200,
          R"({"kind":"APIVersions","versions":["v1"],"serverAddressByClientCIDRs":[{"clientCIDR":"0.0.0.0/0",)"
          R"("serverAddress":)" +
              json_string(request.headers.get("Host").value_or("")) + "}]}\n");
    case Kind::kGroups:
      if (aggregated) return answer_aggregated(named_, request);
      return http::Response::json(200, group_list_);
    case Kind::kGroup:
      return http::Response::json(200, groups_.find(match.group)->second);
    case Kind::kResources: {
      const std::string name =
          match.group.empty() ? match.version : match.group + "/" + match.version;
      return http::Response::json(200, resource_lists_.find(name)->second);
    }
    case Kind::kObjects:
    case Kind::kNoSuchPath:
    case Kind::kNoSuchResource:
      break;
  }
  return no_such_resource();
}

}  // namespace podkeeper::kubeapi
