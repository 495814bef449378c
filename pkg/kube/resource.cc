#include "pkg/kube/resource.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace podkeeper::kube {

std::string to_string(Revision revision) { return std::to_string(revision.value); }

std::optional<Revision> parse_revision(std::string_view text) noexcept {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  // from_chars takes a minus sign for signed types only, and never a plus sign or a space.
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped != end) return std::nullopt;
  return Revision{value};
}

std::string to_string(const ObjectKey& key) {
  if (key.namespace_.empty()) return key.name;
  return key.namespace_ + "/" + key.name;
}

std::string Resource::plural_group() const { return group.empty() ? plural : plural + "." + group; }

std::string Resource::api_version() const {
  return group.empty() ? version : group + "/" + version;
}

std::string Resource::api_root() const {
  return group.empty() ? "/api/" + version : "/apis/" + group + "/" + version;
}

std::string Resource::path(std::string_view namespace_, std::string_view name) const {
  std::string path = api_root();
  if (namespaced && !namespace_.empty()) path.append("/namespaces/").append(namespace_);
  path.append("/").append(plural);
  if (!name.empty()) path.append("/").append(name);
  return path;
}

namespace {

/// Those that simkube's actors use.
std::vector<Resource> cluster_resources() {
  return {
      {.group = "",
       .version = "v1",
       .plural = "pods",
       .singular = "pod",
       .kind = "Pod",
       .short_names = {"po"},
       .namespaced = true,
       .categories = {"all"}},
      {.group = "",
       .version = "v1",
       .plural = "nodes",
       .singular = "node",
       .kind = "Node",
       .short_names = {"no"},
       .namespaced = false},
      {.group = "apps",
       .version = "v1",
       .plural = "deployments",
       .singular = "deployment",
       .kind = "Deployment",
       .short_names = {"deploy"},
       .namespaced = true,
       .categories = {"all"}},
      {.group = "",
       .version = "v1",
       .plural = "namespaces",
       .singular = "namespace",
       .kind = "Namespace",
       .short_names = {"ns"},
       .namespaced = false},
  };
}

/// Those that policies and reports about them need.
std::vector<Resource> policy_resources() {
  return {
      {.group = "podkeeper.dev",
       .version = "v1alpha1",
       .plural = "concurrentmappolicies",
       .singular = "concurrentmappolicy",
       .kind = "ConcurrentMapPolicy",
       .short_names = {"cmpol"},
       .namespaced = false,
       .categories = {"podkeeper"},
       .selectable_fields = {"spec.strategy", "spec.hash", "spec.priority"}},
      {.group = "",
       .version = "v1",
       .plural = "events",
       .singular = "event",
       .kind = "Event",
       .short_names = {"ev"},
       .namespaced = true,
       .selectable_fields = {"involvedObject.kind", "involvedObject.namespace",
                             "involvedObject.name", "involvedObject.uid",
                             "involvedObject.apiVersion", "involvedObject.resourceVersion",
                             "involvedObject.fieldPath", "reason", "reportingComponent", "type"}},
      {.group = "events.k8s.io",
       .version = "v1",
       .plural = "events",
       .singular = "event",
       .kind = "Event",
       .short_names = {"ev"},
       .namespaced = true,
       .selectable_fields = {"regarding.kind", "regarding.namespace", "regarding.name",
                             "regarding.uid", "regarding.apiVersion", "regarding.resourceVersion",
                             "regarding.fieldPath", "reason", "reportingController", "type"}},
      {.group = "apiextensions.k8s.io",
       .version = "v1",
       .plural = "customresourcedefinitions",
       .singular = "customresourcedefinition",
       .kind = "CustomResourceDefinition",
       .short_names = {"crd", "crds"},
       .namespaced = false,
       .categories = {"api-extensions"}},
  };
}

}  // namespace

const std::vector<Resource>& builtin_resources() {
  static const std::vector<Resource> resources = [] {
    auto all = cluster_resources();
    std::ranges::move(policy_resources(), std::back_inserter(all));
    return all;
  }();
  return resources;
}

const Resource& pods() { return builtin_resources()[0]; }
const Resource& nodes() { return builtin_resources()[1]; }
const Resource& deployments() { return builtin_resources()[2]; }
const Resource& namespaces() { return builtin_resources()[3]; }
const Resource& concurrent_map_policies() { return builtin_resources()[4]; }
const Resource& events() { return builtin_resources()[5]; }
const Resource& events_v1() { return builtin_resources()[6]; }
const Resource& custom_resource_definitions() { return builtin_resources()[7]; }

const Resource* find_resource(std::string_view plural_group) noexcept {
  const std::size_t dot = plural_group.find('.');
  const std::string_view plural = plural_group.substr(0, dot);
  const std::string_view group =
      dot == std::string_view::npos ? std::string_view{} : plural_group.substr(dot + 1);
  if (dot != std::string_view::npos && group.empty()) return nullptr;
  const auto& all = builtin_resources();
  const auto found = std::ranges::find_if(
      all, [&](const Resource& each) { return each.plural == plural && each.group == group; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace podkeeper::kube
