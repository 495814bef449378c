#pragma once

#include "pkg/simkube/cluster.h"

#include <cstddef>
#include <cstdint>

namespace podkeeper::simkube {

/// How large a cluster to make up, and by which seed.
struct PopulationOptions {
  std::uint64_t seed = 1;
  std::size_t nodes = 5;
  std::size_t pods = 50;
};

/// Fills an empty cluster: namespaces, nodes that are Ready, deployments, and their pods, all of
/// them running. The same seed and time give the same objects. Before anything is served.
void populate(Cluster& cluster, const PopulationOptions& options);

/// The namespaces that loaded objects need, beside default and kube-system.
void populate_namespaces(Cluster& cluster, const std::vector<std::string>& names);

/// An address in the pods' network for the `number`th pod; they repeat after 4 million.
std::string pod_address(std::uint64_t number);

}  // namespace podkeeper::simkube
