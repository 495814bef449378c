#pragma once

#include "pkg/http/message.h"
#include "pkg/kube/resource.h"

#include <span>
#include <string>
#include <string_view>

namespace podkeeper::kubeapi {

/// What a path under /api or /apis names.
struct ApiPath {
  const kube::Resource* resource = nullptr;
  std::string namespace_;     ///< empty: all, or cluster-scoped
  std::string name;           ///< empty: the collection
  std::string subresource;    ///< "status" or empty
  bool legacy_watch = false;  ///< /api/v1/watch/...
};

/// What a path asks for, before its method is looked at.
struct PathMatch {
  enum class Kind {
    kVersion,         ///< /version
    kCoreVersions,    ///< /api
    kGroups,          ///< /apis
    kGroup,           ///< /apis/G
    kResources,       ///< /api/v1, /apis/G/V
    kObjects,         ///< a collection or an object of `path.resource`
    kNoSuchPath,      ///< no such group or version: text "404 page not found"
    kNoSuchResource,  ///< nothing of that name in a group that is served: a NotFound Status
  };
  Kind kind = Kind::kNoSuchPath;
  std::string group;    ///< kGroup, kResources
  std::string version;  ///< kResources
  ApiPath path;         ///< kObjects
};

/// Finds what `target` names among the resources served, which must outlive the answer. Pure;
/// O(segments + resources).
PathMatch match_path(const http::Target& target, std::span<const kube::Resource* const> served);

}  // namespace podkeeper::kubeapi
