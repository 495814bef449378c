#include "pkg/kubeapi/api_path.h"

#include <vector>

namespace podkeeper::kubeapi {
namespace {

using Kind = PathMatch::Kind;
using Segments = std::span<const std::string>;

const kube::Resource* find(std::span<const kube::Resource* const> served, const PathMatch& match,
                           std::string_view plural) {
  for (const auto* resource : served) {
    if (resource->group == match.group && resource->version == match.version &&
        resource->plural == plural) {
      return resource;
    }
  }
  return nullptr;
}

/// "namespaces/NS/pods" is pods in NS, but "namespaces/NS" and "namespaces/NS/status" are the
/// namespace itself.
bool names_namespace_of_something(Segments rest) {
  return rest.size() >= 3 && rest[0] == "namespaces" && rest[2] != "status" &&
         rest[2] != "finalize";
}

/// `rest` is what follows the group and version (and "watch").
PathMatch match_objects(PathMatch match, Segments rest,
                        std::span<const kube::Resource* const> served) {
  match.kind = Kind::kNoSuchResource;
  const bool in_namespace = names_namespace_of_something(rest);
  if (in_namespace) {
    match.path.namespace_ = rest[1];
    rest = rest.subspan(2);
  }
  const auto* resource = find(served, match, rest[0]);
  if (resource == nullptr || rest.size() > 3) return match;
  if (in_namespace && !resource->namespaced) return match;
  if (rest.size() > 1) {
    if (resource->namespaced && !in_namespace) return match;  // an object without its namespace
    match.path.name = rest[1];
  }
  if (rest.size() == 3) {
    if (rest[2] != "status") return match;
    match.path.subresource = rest[2];
  }
  match.path.resource = resource;
  match.kind = Kind::kObjects;
  return match;
}

PathMatch match_version(PathMatch match, Segments rest,
                        std::span<const kube::Resource* const> served) {
  bool known = false;
  for (const auto* resource : served) {
    known |= resource->group == match.group && resource->version == match.version;
  }
  if (!known) {
    match.kind = Kind::kNoSuchPath;
    return match;
  }
  if (rest.empty()) {
    match.kind = Kind::kResources;
    return match;
  }
  if (rest[0] == "watch" && rest.size() > 1) {
    match.path.legacy_watch = true;
    rest = rest.subspan(1);
  }
  return match_objects(std::move(match), rest, served);
}

}  // namespace

PathMatch match_path(const http::Target& target, std::span<const kube::Resource* const> served) {
  PathMatch match;
  const Segments segments(target.segments);
  if (segments.empty()) return match;
  if (segments[0] == "version" && segments.size() == 1) {
    match.kind = Kind::kVersion;
  } else if (segments[0] == "api") {
    if (segments.size() == 1) {
      match.kind = Kind::kCoreVersions;
      return match;
    }
    match.version = segments[1];
    return match_version(std::move(match), segments.subspan(2), served);
  } else if (segments[0] == "apis") {
    if (segments.size() == 1) {
      match.kind = Kind::kGroups;
      return match;
    }
    if (segments[1].empty()) return match;  // "" is the core group, which lives under /api alone
    match.group = segments[1];
    if (segments.size() > 2) {
      match.version = segments[2];
      return match_version(std::move(match), segments.subspan(3), served);
    }
    for (const auto* resource : served) {
      if (resource->group == match.group) match.kind = Kind::kGroup;
    }
  }
  return match;
}

}  // namespace podkeeper::kubeapi
