#pragma once

#include <charconv>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::kube {

/// The resourceVersion of Kubernetes: passed through unchanged, compared as an integer (KEP-5504).
/// 0 is "any" or unset.
struct Revision {
  std::uint64_t value = 0;
  friend auto operator<=>(const Revision&, const Revision&) = default;
};
std::string to_string(Revision revision);
/// A decimal without sign or leading zeros ("0" itself is allowed); empty otherwise.
std::optional<Revision> parse_revision(std::string_view text) noexcept;

/// Names an object within its resource; namespace_ is empty for what is cluster-scoped. Ordered as
/// LIST orders.
struct ObjectKey {
  std::string namespace_;
  std::string name;
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
};
/// "namespace/name", or "name".
std::string to_string(const ObjectKey& key);

/// One kind of object, as discovery describes it. Identity is {group, version, plural}.
struct Resource {
  std::string group;  ///< "" for the core group
  std::string version;
  std::string plural;
  std::string singular;
  std::string kind;
  std::vector<std::string> short_names;
  bool namespaced = true;
  std::vector<std::string> categories = {};  ///< what `kubectl get CATEGORY` finds it by
  /// Fields that a field selector may name beside metadata.name and metadata.namespace, as paths
  /// (spec.strategy). Pods and nodes have their own, decoded ones instead.
  std::vector<std::string> selectable_fields = {};

  /// "pods", or "deployments.apps".
  [[nodiscard]] std::string plural_group() const;
  /// "v1", or "apps/v1".
  [[nodiscard]] std::string api_version() const;
  /// "/api/v1", or "/apis/apps/v1".
  [[nodiscard]] std::string api_root() const;
  /// The collection's path: all namespaces when `namespace_` is empty.
  [[nodiscard]] std::string path(std::string_view namespace_ = {},
                                 std::string_view name = {}) const;
  friend bool operator==(const Resource& a, const Resource& b) {
    return a.group == b.group && a.version == b.version && a.plural == b.plural;
  }
};

/// The resources podkeeper knows without discovery: pods, nodes, those simkube's actors use, its
/// own ConcurrentMapPolicy, and what it takes to tell a cluster about it.
const Resource& pods();
const Resource& nodes();
const Resource& deployments();
const Resource& namespaces();
/// podkeeper.dev/v1alpha1, cluster-scoped.
const Resource& concurrent_map_policies();
/// Events in the core group's form and in that of events.k8s.io: two views of the same objects.
const Resource& events();
const Resource& events_v1();
const Resource& custom_resource_definitions();
/// Finds a built-in by "pods" or "deployments.apps"; null for anything else.
const Resource* find_resource(std::string_view plural_group) noexcept;
const std::vector<Resource>& builtin_resources();

}  // namespace podkeeper::kube
