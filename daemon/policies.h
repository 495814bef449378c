#pragma once

#include "pkg/access/authorized.h"
#include "pkg/base/world.h"
#include "pkg/controllers/policy_controller.h"
#include "pkg/http/client.h"
#include "pkg/kube/object_client.h"
#include "pkg/kube/reflector.h"
#include "pkg/runtime/task_group.h"
#include "pkg/settings/settings.h"
#include "pkg/state/store.h"
#include "pkg/telemetry/metrics.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/leading.h"
#include "daemon/upstream.h"

namespace podkeeper::daemon {

/// ConcurrentMapPolicies: their own mirror, which is not among those that are served, and the
/// controller that carries them out. A cluster that does not define the resource is asked again
/// from time to time, and holds nothing up meanwhile. Built once; what it was given outlives it.
class Policies {
 public:
  /// Told of the policies in force, best first, whenever they are looked at; by one task.
  using InForce = std::function<void(const std::vector<policy::Policy>& ranked)>;

  static base::Result<std::unique_ptr<Policies>> make(
      base::World& world, telemetry::Metrics& metrics, const settings::Settings& settings,
      Upstream& upstream, access::Authorizer& authorizer,
      const std::vector<state::Partitions*>& maps, InForce in_force, Leading& leading);
  /// Starts the reflector, its self-audit and the controller.
  base::Result<void> start(runtime::TaskGroup& group);
  /// Takes this instance out of every policy's status, before the tasks are stopped.
  base::Task<void> leave(base::MonotonicTime deadline) { return controller_->leave(deadline); }
  [[nodiscard]] const controllers::PolicyController& controller() const { return *controller_; }

 private:
  Policies(base::World& world, telemetry::Metrics& metrics, const settings::Settings& settings,
           Upstream& upstream, Leading& leading, access::AuthorizedRead allowed);
  /// Has the statuses looked at when this process begins to lead.
  base::Task<void> follow_leadership();

  base::World& world_;
  telemetry::Metrics& metrics_;
  const settings::Settings& settings_;
  http::Client& client_;
  Leading& leading_;
  const access::AuthorizedRead allowed_;
  kube::ObjectClient objects_;
  state::Store store_;
  const std::shared_ptr<kube::Reflector> reflector_;
  std::unique_ptr<controllers::PolicyController> controller_;
};

}  // namespace podkeeper::daemon
