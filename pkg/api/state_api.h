#pragma once

#include "pkg/access/authorized.h"
#include "pkg/base/clock.h"
#include "pkg/http/overload.h"
#include "pkg/http/server.h"
#include "pkg/policy/board.h"
#include "pkg/state/currency.h"
#include "pkg/state/pod_states.h"
#include "pkg/state/store.h"

#include <functional>
#include <memory>
#include <string>
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
  /// Prove how current the readers are; null: `consistency maxAgeMs minRevision` are not known.
  std::shared_ptr<state::Currency> pods_currency = {};
  std::shared_ptr<state::Currency> nodes_currency = {};
  /// Brings the state of the pod "namespace/name", or with an empty key of every pod, to what the
  /// mirror says now. Set where pods_currency is.
  std::function<base::Task<void>(std::string key)> catch_up = {};
  /// Says when lists of pods and nodes are refused with 429; null: never.
  std::shared_ptr<http::Overload> overload = {};
};

/// Serves /state/v1/summary, /state/v1/pods[/NAMESPACE/NAME], /state/v1/nodes[/NAME],
/// /state/v1/maps and /state/v1/policies: compact records, with `namespace node phase labelSelector
/// fieldSelector limit continue sort`, and on each of the cluster `consistency maxAgeMs
/// minRevision`: what cannot be proven in time is 504. Errors are
/// {"error":{"code","message","retryable","details"}}.
void add_state_routes(http::Router& router, const StateSources& sources);

}  // namespace podkeeper::api
