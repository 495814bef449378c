#pragma once

#include "pkg/access/authorized.h"
#include "pkg/base/mutex.h"
#include "pkg/base/snapshot.h"
#include "pkg/base/world.h"
#include "pkg/controllers/policy_status_writer.h"
#include "pkg/kube/object_client.h"
#include "pkg/policy/board.h"
#include "pkg/policy/describe.h"
#include "pkg/policy/partitioned_store.h"
#include "pkg/policy/policy_set.h"
#include "pkg/runtime/controller.h"
#include "pkg/runtime/task_group.h"
#include "pkg/runtime/wakeup.h"
#include "pkg/state/store.h"
#include "pkg/telemetry/metrics.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace podkeeper::controllers {

struct PolicyControllerOptions {
  std::string instance = "podkeeper";  ///< this process's entry in status.instances
  policy::Built built = {};
  cmap::MapOptions defaults = {};  ///< of what no policy governs
  /// A change is taken up once nothing changed for `quiet`, or `patience` after it.
  base::Duration quiet = std::chrono::milliseconds(200);
  base::Duration patience = std::chrono::milliseconds(500);
  /// A store is not given plans more often than this.
  base::Duration apply_interval = std::chrono::seconds(1);
  /// How often the entries in a status follow what they count, without another change.
  base::Duration counts_interval = std::chrono::seconds(30);
  /// Whether this process writes what is said once for all instances. Asked before each write;
  /// thread-safe, and it neither waits nor throws.
  std::function<bool()> leads = [] { return true; };
  /// Sends what is written while `leads`, and no later; null: the one client sends everything.
  /// Outlives the controller.
  kube::ObjectClient* leaders_client = nullptr;
  telemetry::Metrics* metrics = nullptr;  ///< outlives the controller
  /// Told what is in force, best first, when it is looked at anew; by one task.
  std::function<void(const std::vector<policy::Policy>& ranked)> in_force = {};
};

/// Carries out ConcurrentMapPolicies: from the mirror of the policies to a plan for each store, and
/// back to each policy's status.
///
/// One task follows the policies' log. However fast they change, they are looked at as they are
/// when it goes on, at the latest `patience` after the first change, so the last state wins. Plans
/// that changed are given to their stores by the workers of a queue, one at a time for each store;
/// one that fails is tried again after a backoff, and the store goes on as it was. A policy that
/// became bad stays in force as it was while good; one that is deleted gives its objects back to
/// who is next. Without the definition of the resource in the cluster there simply are no policies.
///
/// Any thread may ask; it outlives its tasks.
class PolicyController {
 public:
  /// The policies' store, the client and `stores` outlive the controller.
  PolicyController(base::World& world, state::Reader policies, access::AuthorizedRead allowed,
                   kube::ObjectClient& client, std::vector<policy::PartitionedStore*> stores,
                   PolicyControllerOptions options);

  /// Starts its tasks; they end when `group` is stopped.
  base::Result<void> start(runtime::TaskGroup& group);
  /// Looks at every status again: for when `leads` has changed.
  void refresh_statuses() { enqueue_statuses(base::Duration::zero()); }
  /// Gives up this instance's entry in every status and writes none from now on; returns when it
  /// is done, at the latest at `deadline`. Once, while the tasks run.
  base::Task<void> leave(base::MonotonicTime deadline);

  /// What there is, as of now. O(policies * stores).
  [[nodiscard]] policy::Board board() const;
  /// For the health check policy-applied: an Error names the store that has not been given the
  /// first plan since the policies were listed. Later changes never make it fail.
  [[nodiscard]] base::Result<void> check_applied() const;

 private:
  /// A store, and how far it is with its plan; `turn` counts its plans.
  struct Target {
    policy::PartitionedStore* store = nullptr;
    policy::PartitionPlan wanted = {};
    std::uint64_t wanted_turn = 0, applied_turn = 0;
    std::string error = {};
    std::optional<base::MonotonicTime> started = {};  ///< when it was given a plan last
  };
  /// What was read of an object, so that only what changed is read again.
  struct Source {
    kube::Revision revision;
    policy::Parsed parsed;
    std::optional<std::int64_t> counted = {};  ///< the generation that was counted as refused
  };

  base::Task<void> follow();
  /// Looks at all policies and wakes whom it concerns.
  void take_up();
  [[nodiscard]] std::vector<policy::Parsed> read_policies();
  /// Whose status a change concerns: that of one policy's status its own, that of a spec every one.
  void note_change(const std::string& name, const policy::Identity& before,
                   const policy::Identity& now);
  /// Replaces the plans that changed; the queue's keys of their stores.
  [[nodiscard]] std::vector<std::string> replace_plans();
  void count_policies();
  base::Task<base::Result<runtime::Outcome>> reconcile(std::string key);
  base::Task<base::Result<runtime::Outcome>> apply(std::size_t index);
  void applied(std::size_t index, std::uint64_t turn, const base::Result<void>& outcome);
  base::Task<base::Result<runtime::Outcome>> write_status(std::string name);
  void enqueue_statuses(base::Duration delay);
  void enqueue_status(const std::string& name, base::Duration delay);
  [[nodiscard]] bool is_leaving() const;
  base::Task<base::Result<runtime::Outcome>> leave_status(std::string name);

  base::Clock& clock_;
  const state::Reader policies_;
  const access::AuthorizedRead allowed_;
  const std::vector<policy::PartitionedStore*> stores_;
  const PolicyControllerOptions options_;
  EventRecorder events_;
  PolicyStatusWriter writer_;
  runtime::Controller controller_;
  std::map<std::string, Source> sources_;  ///< of follow() alone
  policy::PolicySet set_;                  ///< likewise
  std::set<std::string> changed_;          ///< likewise: policies whose status changed
  bool every_status_ = true;               ///< likewise: a spec changed, or there was no look yet
  base::Snapshot<policy::PolicySet> published_;
  mutable base::Mutex mutex_;
  std::vector<Target> targets_ PK_GUARDED_BY(mutex_);
  bool taken_up_ PK_GUARDED_BY(mutex_) = false;
  bool leaving_ PK_GUARDED_BY(mutex_) = false;
  std::set<std::string> to_leave_ PK_GUARDED_BY(mutex_);  ///< policies whose entry still stands
  runtime::Wakeup left_;
};

}  // namespace podkeeper::controllers
