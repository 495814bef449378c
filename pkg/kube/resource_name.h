#pragma once

#include "pkg/base/result.h"
#include "pkg/kube/api_discovery.h"
#include "pkg/kube/resource.h"

#include <string>
#include <string_view>

namespace podkeeper::kube {

/// What a user calls a resource, in kubectl's forms: "pods", "deployments.apps" and, with a
/// version, "deployments.v1.apps" and "pods.v1.".
struct ResourceName {
  std::string plural;
  std::string version;  ///< empty: the one that the API server prefers
  std::string group;

  [[nodiscard]] std::string plural_group() const {
    return group.empty() ? plural : plural + "." + group;
  }
};

/// What stands after the plural is a version if it looks like one and something follows it; so a
/// group cannot begin with a label like "v1". kInvalidArgument for a subresource, a version without
/// the dot behind it, and what no name looks like.
base::Result<ResourceName> parse_resource_name(std::string_view text);

/// The resource of that name. The error says what to do, and whether that may change:
/// kInvalidArgument for what will never be mirrored (a short name, a kind or a singular, which get
/// their plural told; a resource that cannot be listed and watched), kNotFound for what is not
/// offered now (the nearest names told), kUnavailable where upstream does not know itself whether
/// it is. O(resources offered).
base::Result<OfferedResource> find_offered(const Offered& offered, const ResourceName& name);

}  // namespace podkeeper::kube
