#pragma once

#include "pkg/http/message.h"
#include "pkg/simkube/cluster.h"

#include <string>
#include <string_view>

namespace podkeeper::simkube {

/// /openapi/v2 and /openapi/v3, as far as kubectl needs them: which kinds there are, what paths
/// they have, that writes take fieldValidation and dryRun, and the schemas of custom resources.
/// Built-in kinds are told without their fields. /openapi/v2 has models in protobuf alone (see
/// openapi_v2.h); in JSON it is an empty document. Pure; O(definitions).
http::Response answer_openapi(const http::Request& request, const Cluster::Offer& offer);

inline constexpr std::string_view kOpenApiTitle = "simkube";
inline constexpr std::string_view kOpenApiVersion = "v1.36.2";
/// "dev.podkeeper.v1alpha1.ConcurrentMapPolicy": the group's domain turned around.
std::string openapi_schema_name(const kube::Resource& resource);
/// What the extension x-kubernetes-group-version-kind says of it.
Json openapi_kind(const kube::Resource& resource);
/// The schema of one kind with what every object has and the extension that names its kind.
Json openapi_schema(const kube::Resource& resource, const Cluster::Offer& offer);

}  // namespace podkeeper::simkube
