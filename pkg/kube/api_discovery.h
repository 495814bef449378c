#pragma once

#include "pkg/base/result.h"
#include "pkg/kube/resource.h"

#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::kube {

/// One resource that an API server offers, in one version.
struct OfferedResource {
  Resource resource;
  std::vector<std::string> verbs;         ///< "list", "watch", ...
  std::vector<std::string> subresources;  ///< "status", "scale", ...

  [[nodiscard]] bool has_verb(std::string_view verb) const noexcept;
  [[nodiscard]] bool has_subresource(std::string_view name) const noexcept;
  /// Whether it can be mirrored: listed and watched.
  [[nodiscard]] bool can_be_followed() const noexcept {
    return has_verb("list") && has_verb("watch");
  }
};

struct OfferedVersion {
  std::string group;  ///< "" for the core group
  std::string version;
  /// Who serves it does not answer now (an aggregated API server that is away), so that it is not
  /// known what it offers.
  bool stale = false;
  std::vector<OfferedResource> resources;
};

/// What an API server offers: the versions of a group stand in its order of preference.
struct Offered {
  std::vector<OfferedVersion> versions;
};

/// A group and its versions, preferred first, as the legacy form of discovery names them.
struct GroupVersions {
  std::string group;
  std::vector<std::string> versions;
};

// Each reads one document of discovery; kDecode names what is wrong with it. An entry whose names
// could stand in no path (upper case, '/', more than kOfferedNameBytesMax) is left out, so whatever
// is found here may be asked for. O(bytes).

/// APIGroupDiscoveryList of apidiscovery.k8s.io, v2 or v2beta1: the answer to /api or /apis.
base::Result<std::vector<OfferedVersion>> parse_aggregated_discovery(std::string_view json);
/// APIVersions, the legacy answer to /api, or APIGroupList, that to /apis.
base::Result<std::vector<GroupVersions>> parse_group_list(std::string_view json);
/// APIResourceList, the legacy answer to /api/v1 or /apis/GROUP/VERSION.
base::Result<OfferedVersion> parse_resource_list(std::string_view json, std::string group,
                                                 std::string version);

inline constexpr std::size_t kOfferedNameBytesMax = 253;

}  // namespace podkeeper::kube
