#pragma once

#include "pkg/base/clock.h"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace podkeeper::simkube {

using Json = nlohmann::ordered_json;

/// The objects that the simulated cluster makes up, with the fields and their order as a real one
/// has them. Pure.

Json namespace_manifest(std::string_view name);

/// A node as its kubelet registers it: Ready, in one of three zones by `number`.
Json node_manifest(std::uint64_t number, base::WallTime now);
std::string node_name(std::uint64_t number);
/// Sets the node's conditions as of `now`: heard from, or not heard from (Ready and all else
/// Unknown).
void set_node_heard(Json& node, bool heard, base::WallTime now);

struct DeploymentShape {
  std::string name, namespace_, image;
  std::uint32_t replicas = 1;
  bool sidecar = false;
};
Json deployment_manifest(const DeploymentShape& shape);

/// The hash in the names of a deployment's pods: another template, another hash.
std::string template_hash(const Json& deployment);
/// A pod of the deployment, not yet scheduled; its name is completed by generateName.
Json pod_of_deployment(const Json& deployment, base::WallTime now);
/// A pod that runs once to its end.
Json job_pod(std::string_view namespace_, std::string_view name);

/// `length` characters of `alphabet` that follow from `text` alone.
std::string digest_text(std::string_view text, std::size_t length, std::string_view alphabet);
/// The same in hexadecimal, for ids.
std::string hex_of(std::string_view text, std::size_t length);

/// Steps of a pod's life, each as the component that takes it writes it. They return false where
/// the pod is not in a state to take it.
bool schedule_pod(Json& pod, std::string_view node, base::WallTime now);
bool start_pod(Json& pod, std::string_view pod_ip, std::string_view host_ip, base::WallTime now);
bool set_pod_ready(Json& pod, bool ready, base::WallTime now);
/// A container died and waits for its restart: CrashLoopBackOff.
bool crash_pod(Json& pod, base::WallTime now);
/// The container that waited runs again.
bool restart_pod(Json& pod, base::WallTime now);
bool complete_pod(Json& pod, bool success, base::WallTime now);

}  // namespace podkeeper::simkube
