#pragma once

#include "pkg/access/authorized.h"
#include "pkg/base/result.h"
#include "pkg/base/world.h"
#include "pkg/http/client.h"
#include "pkg/kube/reflector.h"
#include "pkg/runtime/task_group.h"
#include "pkg/settings/settings.h"
#include "pkg/state/currency.h"
#include "pkg/state/store.h"
#include "pkg/telemetry/metrics.h"

#include <memory>

namespace podkeeper::daemon {

/// What a mirror's truth is made of: who fills it, from where, and who may look at it.
struct TruthSources {
  base::World& world;
  http::Client& client;
  telemetry::Metrics& metrics;
  const settings::Settings& settings;
  kube::Resource resource;  ///< as upstream serves it
  state::Store& store;
  std::shared_ptr<kube::Reflector> reflector;
  access::AuthorizedRead allowed;
};

/// Starts what keeps one mirror honest: what proves to readers how current it is, whose tasks
/// `proving` holds, and as a task of `following` the self-audit, where there is to be one.
/// `proving` outlives the Currency.
base::Result<std::shared_ptr<state::Currency>> start_truth(const TruthSources& sources,
                                                           runtime::TaskGroup& proving,
                                                           runtime::TaskGroup& following);

}  // namespace podkeeper::daemon
