#pragma once

#include "pkg/base/world.h"
#include "pkg/telemetry/metrics.h"

#include <cstddef>
#include <string>

#include "tests/world/support/model.h"

namespace podkeeper::world {

/// What a replica has to show once nothing changes any more: its lists of pods and nodes are what
/// upstream holds, each PodState is what derive() says of upstream's pod and node, and each
/// policy's partition runs the strategy it asks for. Empty, or what is wrong.
base::Task<std::string> check_replica(base::World& world, telemetry::Metrics& metrics,
                                      const Model& model, std::size_t number);

/// What the replicas have to have told upstream of each policy: the leader its summary, each its
/// own entry. Empty, or what is wrong.
std::string check_policies(const Model& model, std::size_t instances);

}  // namespace podkeeper::world
