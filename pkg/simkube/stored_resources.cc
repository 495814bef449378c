#include "pkg/simkube/stored_resources.h"

#include "pkg/simkube/lease_rules.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

namespace podkeeper::simkube {
namespace {

constexpr const char* kRbac = "rbac.authorization.k8s.io";

kube::Resource resource(std::string group, std::string plural, std::string kind,
                        std::vector<std::string> short_names, bool namespaced = true) {
  std::string singular = kind;
  std::ranges::transform(singular, singular.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return {.group = std::move(group),
          .version = "v1",
          .plural = std::move(plural),
          .singular = std::move(singular),
          .kind = std::move(kind),
          .short_names = std::move(short_names),
          .namespaced = namespaced};
}

std::vector<StoredResource> core_resources() {
  auto service = resource("", "services", "Service", {"svc"});
  service.categories = {"all"};
  return {
      {.resource = resource("", "configmaps", "ConfigMap", {"cm"}),
       .members = {"immutable", "data", "binaryData"}},
      {.resource = resource("", "secrets", "Secret", {}),
       .members = {"immutable", "data", "type"},
       .defaults = R"({"type":"Opaque"})",
       .fixed = {"type"}},
      {.resource = resource("", "serviceaccounts", "ServiceAccount", {"sa"}),
       .members = {"secrets", "imagePullSecrets", "automountServiceAccountToken"}},
      {.resource = std::move(service),
       .members = {"spec", "status"},
       .name = NameRule::kLabel,
       .defaults = R"({"spec":{"sessionAffinity":"None","type":"ClusterIP"},)"
                   R"("status":{"loadBalancer":{}}})",
       .needed = {"spec.ports"}},
  };
}

/// Of roles and their bindings, in a namespace and across all.
std::vector<StoredResource> rbac_resources() {
  std::vector<StoredResource> rows = {
      {.resource = resource(kRbac, "roles", "Role", {}), .members = {"rules"}},
      {.resource = resource(kRbac, "rolebindings", "RoleBinding", {}),
       .members = {"subjects", "roleRef"}},
      {.resource = resource(kRbac, "clusterroles", "ClusterRole", {}, false),
       .members = {"rules", "aggregationRule"}},
      {.resource = resource(kRbac, "clusterrolebindings", "ClusterRoleBinding", {}, false),
       .members = {"subjects", "roleRef"}},
  };
  for (auto& row : rows) {
    row.name = NameRule::kPathSegment;
    if (row.members.back() != "roleRef") continue;
    row.needed = {"roleRef.kind", "roleRef.name"};
    row.fixed = {"roleRef"};
  }
  return rows;
}

std::vector<StoredResource> policy_resources() {
  return {
      {.resource = resource("policy", "poddisruptionbudgets", "PodDisruptionBudget", {"pdb"}),
       .members = {"spec", "status"},
       .counts_generation = true},
      {.resource = resource("networking.k8s.io", "networkpolicies", "NetworkPolicy", {"netpol"}),
       .members = {"spec"},
       .counts_generation = true,
       .needed = {"spec.podSelector"}},
  };
}

kubeapi::PrinterColumn column(std::string name, std::string type, std::string_view path) {
  return {.name = std::move(name),
          .type = std::move(type),
          .format = {},
          .description = {},
          .path = kubeapi::JsonPath::parse(path).value()};
}

/// What replicas elect their leader by.
StoredResource lease_resource() {
  return {.resource = resource("coordination.k8s.io", "leases", "Lease", {}),
          .members = {"spec"},
          .needs_revision = true,
          .check = check_lease,
          .columns = {column("Holder", "string", ".spec.holderIdentity"),
                      column("Age", "date", ".metadata.creationTimestamp")}};
}

}  // namespace

const std::vector<StoredResource>& stored_resources() {
  static const std::vector<StoredResource> rows = [] {
    auto all = core_resources();
    std::ranges::move(rbac_resources(), std::back_inserter(all));
    std::ranges::move(policy_resources(), std::back_inserter(all));
    all.push_back(lease_resource());
    return all;
  }();
  return rows;
}

const StoredResource* find_stored(const kube::Resource& resource) noexcept {
  const auto& rows = stored_resources();
  const auto found = std::ranges::find(rows, resource, &StoredResource::resource);
  return found == rows.end() ? nullptr : &*found;
}

NameRule name_rule(const kube::Resource& resource) noexcept {
  if (resource == kube::namespaces()) return NameRule::kLabel;
  const auto* const stored = find_stored(resource);
  return stored != nullptr ? stored->name : NameRule::kSubdomain;
}

}  // namespace podkeeper::simkube
