#pragma once

#include "pkg/kube/resource.h"
#include "pkg/kube/status.h"

#include <nlohmann/json_fwd.hpp>

#include <expected>
#include <string>
#include <string_view>

namespace podkeeper::simkube {

using Json = nlohmann::ordered_json;

/// What the API server owns of an object, in the order in which it prints it.
/// A metadata object with the members Kubernetes knows, in its order; unknown members are dropped.
Json ordered_metadata(const Json& metadata);
/// kind, apiVersion, metadata, spec, status and whatever else is known of `resource`, in upstream's
/// order.
Json ordered_object(const kube::Resource& resource, const Json& object);

/// 422 for names, containers and such as upstream words it; nothing where the object is fine.
std::expected<void, kube::Status> validate(const kube::Resource& resource, const Json& object);
/// Lower-case RFC 1123 subdomain, at most 253 characters.
bool is_dns_subdomain(std::string_view name) noexcept;

/// Fills in what a pod, a deployment or a namespace gets by default.
void apply_defaults(const kube::Resource& resource, Json& object);

/// Statuses of writes.
kube::Status already_exists(const kube::Resource& resource, std::string_view name);
kube::Status conflict(const kube::Resource& resource, std::string_view name);
kube::Status precondition_failed(const kube::Resource& resource, std::string_view name,
                                 std::string_view what, std::string_view wanted,
                                 std::string_view held);
kube::Status missing_namespace(std::string_view name);

}  // namespace podkeeper::simkube
