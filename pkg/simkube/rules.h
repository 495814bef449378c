#pragma once

#include "pkg/kube/resource.h"
#include "pkg/kube/status.h"
#include "pkg/simkube/faults.h"

#include <nlohmann/json_fwd.hpp>

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::simkube {

using Json = nlohmann::ordered_json;

/// What the API server owns of an object, in the order in which it prints it.
/// A metadata object with the members Kubernetes knows, in its order; unknown members are dropped.
Json ordered_metadata(const Json& metadata);
/// kind, apiVersion, metadata, spec, status and whatever else is known of `resource`, in upstream's
/// order.
Json ordered_object(const kube::Resource& resource, const Json& object);

/// Members that ordered_object() drops, and those that ordered_metadata() does, as paths.
std::vector<std::string> unknown_members(const kube::Resource& resource, const Json& object);
std::vector<std::string> unknown_metadata(const Json& metadata);

/// What is wrong with the name of an object.
std::vector<Fault> metadata_faults(const kube::Resource& resource, const Json& object);
/// 422 for names, containers and such as upstream words it; nothing where the object is fine.
std::expected<void, kube::Status> validate(const kube::Resource& resource, const Json& object);
/// 422 where `next` differs from `current` in what stays as it was created.
std::expected<void, kube::Status> check_fixed(const kube::Resource& resource, const Json& current,
                                              const Json& next);
/// Lower-case RFC 1123 subdomain, at most 253 characters.
bool is_dns_subdomain(std::string_view name) noexcept;

/// Fills in what an object of a built-in resource gets by default.
void apply_defaults(const kube::Resource& resource, Json& object);

/// Statuses of writes.
kube::Status already_exists(const kube::Resource& resource, std::string_view name);
kube::Status conflict(const kube::Resource& resource, std::string_view name);
kube::Status precondition_failed(const kube::Resource& resource, std::string_view name,
                                 std::string_view what, std::string_view wanted,
                                 std::string_view held);
/// 415; `accepted` are the media types that are.
kube::Status unsupported_media_type(std::string_view accepted);
inline constexpr std::string_view kJsonPatchType = "application/json-patch+json";
inline constexpr std::string_view kMergePatchType = "application/merge-patch+json";
inline constexpr std::string_view kStrategicMergePatchType =
    "application/strategic-merge-patch+json";
inline constexpr std::string_view kApplyPatchType = "application/apply-patch+yaml";
/// 422 for a PUT without a resourceVersion, where upstream wants one.
kube::Status revision_missing(const kube::Resource& resource, std::string_view name);
/// fieldValidation=Strict: 400 for an object with these unknown fields, 422 for a patch with them.
kube::Status strict_decoding(const kube::Resource& resource,
                             const std::vector<std::string>& fields);
kube::Status strict_patch(const Json& patch, const std::vector<std::string>& fields);

}  // namespace podkeeper::simkube
