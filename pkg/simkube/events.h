#pragma once

#include "pkg/kube/resource.h"
#include "pkg/kube/status.h"

#include <nlohmann/json_fwd.hpp>

#include <expected>

namespace podkeeper::simkube {

using Json = nlohmann::ordered_json;

/// Kubernetes' Events: the same objects seen through the core group and through events.k8s.io,
/// under other names of their members. Pure.

bool is_event(const kube::Resource& resource);
/// The resource that shows the other view.
const kube::Resource& other_view(const kube::Resource& events);

/// An event with its members in upstream's order and whatever upstream prints of what is missing;
/// of the resource's own view.
Json ordered_event(const kube::Resource& resource, const Json& event);
/// An ordered event as the other view shows it.
Json converted_event(const kube::Resource& from, const Json& event);

/// 422 for what upstream asks of each view, beyond the metadata.
std::expected<void, kube::Status> validate_event(const kube::Resource& resource, const Json& event);

}  // namespace podkeeper::simkube
