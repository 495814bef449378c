#pragma once

#include "pkg/access/authorized.h"
#include "pkg/base/clock.h"
#include "pkg/http/server.h"
#include "pkg/policy/board.h"
#include "pkg/state/pod_states.h"
#include "pkg/state/store.h"

#include <functional>
#include <vector>

namespace podkeeper::api {

/// What /state answers from. All of it outlives the routes.
struct StateSources {
  access::Authorizer& authorizer;
  state::Reader pods;
  state::Reader nodes;
  const state::PodStates& pod_states;
  std::vector<const state::Partitions*> maps;
  std::function<policy::Board()> policies;  ///< as of now; any thread
  base::Clock& clock;
};

/// Serves /state/v1/summary, /state/v1/pods[/NAMESPACE/NAME], /state/v1/nodes[/NAME],
/// /state/v1/maps and /state/v1/policies: compact records, with `namespace node phase labelSelector
/// fieldSelector limit continue sort`. Errors are
/// {"error":{"code","message","retryable","details"}}.
void add_state_routes(http::Router& router, const StateSources& sources);

}  // namespace podkeeper::api
