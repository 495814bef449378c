#pragma once

#include "pkg/base/world.h"
#include "pkg/http/client.h"
#include "pkg/kube/object_client.h"
#include "pkg/leader/elector.h"
#include "pkg/leader/leadership.h"
#include "pkg/leader/lease.h"
#include "pkg/runtime/task_group.h"
#include "pkg/settings/settings.h"
#include "pkg/telemetry/metrics.h"

#include <memory>
#include <string>

namespace podkeeper::daemon {

/// Who acts for all replicas: one that is elected by a Lease with --leader-elect, else every one by
/// itself. Built once; what it was given outlives it.
class Leading {
 public:
  /// `own_namespace`: where the Lease is, unless the settings say it; may be empty.
  /// kInvalidArgument is one line that says what to do.
  static base::Result<std::unique_ptr<Leading>> make(base::World& world,
                                                     telemetry::Metrics& metrics,
                                                     const settings::Settings& settings,
                                                     http::Client& client,
                                                     const std::string& own_namespace);
  /// Stands for election until `group` is stopped.
  base::Result<void> start(runtime::TaskGroup& group);
  /// Lets another replica lead at once. After everything that acts as the leader has ended.
  base::Task<void> release();

  [[nodiscard]] leader::Leadership& leadership() noexcept;
  /// For the health check leader-election: an Error where a leader is stuck. Who does not lead is
  /// fine.
  [[nodiscard]] base::Result<void> check() const;

 private:
  /// What an election takes.
  struct Election {
    Election(base::World& world, telemetry::Metrics& metrics, http::Client& client,
             kube::ObjectKey lease, leader::ElectionOptions options);
    kube::ObjectClient objects;
    leader::ApiLeaseLock lock;
    leader::LeaderElector elector;
  };
  Leading() = default;

  leader::AlwaysLeader alone_;
  std::unique_ptr<Election> election_;  ///< null without --leader-elect
};

}  // namespace podkeeper::daemon
