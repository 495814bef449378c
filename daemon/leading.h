#pragma once

#include "pkg/base/world.h"
#include "pkg/controllers/event_recorder.h"
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
  /// Stands for election, and tells of it by Events, until `group` is stopped.
  base::Result<void> start(runtime::TaskGroup& group);
  /// Lets another replica lead at once. After everything that acts as the leader has ended.
  base::Task<void> release();

  [[nodiscard]] leader::Leadership& leadership() noexcept;
  /// Sends in the leader's term only: for all that one replica writes for all.
  [[nodiscard]] kube::ObjectClient& client() noexcept { return client_; }
  /// For the health check leader-election: an Error where a leader is stuck. Who does not lead is
  /// fine.
  [[nodiscard]] base::Result<void> check() const;

 private:
  /// What an election takes.
  class Election {
   public:
    Election(base::World& world, telemetry::Metrics& metrics, http::Client& client,
             kube::ObjectKey lease, leader::ElectionOptions options);
    base::Result<void> start(runtime::TaskGroup& group);
    base::Task<void> release();
    [[nodiscard]] leader::LeaderElector& elector() noexcept { return elector_; }

   private:
    /// Tells of every change by an Event about the Lease, as client-go's electors do.
    base::Task<void> tell_of_changes();
    /// Where it is other than what was told last.
    base::Task<void> tell(bool leads);
    /// For its uid, by which kubectl describe finds the Events that belong to it.
    base::Task<void> look_at_lease();

    base::Clock& clock_;
    controllers::EventSubject subject_;  ///< the Lease, as it was when this process began to lead
    const std::string identity_;
    kube::ObjectClient objects_;
    leader::ApiLeaseLock lock_;
    leader::LeaderElector elector_;
    /// Who stopped to lead says so when the term is over: no write of the leader's.
    kube::ObjectClient news_client_;
    controllers::EventRecorder news_;
    bool told_ = false;  ///< what was told last; of one task at a time
  };
  Leading(base::World& world, http::Client& client, std::unique_ptr<Election> election);

  leader::AlwaysLeader alone_;
  std::unique_ptr<Election> election_;  ///< null without --leader-elect
  kube::ObjectClient client_;
};

}  // namespace podkeeper::daemon
