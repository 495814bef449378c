#pragma once

#include "pkg/access/authorized.h"
#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/base/world.h"
#include "pkg/controllers/derive.h"
#include "pkg/runtime/controller.h"
#include "pkg/runtime/task_group.h"
#include "pkg/state/pod_states.h"
#include "pkg/state/store.h"
#include "pkg/telemetry/metrics.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace podkeeper::controllers {

struct PodStateControllerOptions {
  std::size_t workers = 2;
  DeriveOptions derive;
  base::Duration sweep_interval = std::chrono::seconds(30);
  telemetry::Metrics* metrics = nullptr;  ///< outlives the controller
};

/// Keeps the PodState map equal to what derive() says of the mirror.
///
/// Two feeds follow the event logs of pods and nodes and put the keys of concerned pods into a work
/// queue; a feed that fell out of its log lists again and puts in everything. Workers
/// (`update_status`) look at a key's present mirror records, never at events, so that a key may
/// come late, twice or in any order. At the same time the sweeper
/// (`cleanup_expired`) removes the states of terminal pods whose time has passed. What depends on
/// age alone is looked at again when it is due.
///
/// Every writer first reads the map's record, then the mirror, and writes only if the map still
/// holds that record: so no writer puts an older view over a newer one, and neither waits for the
/// other.
///
/// Nothing is written before both mirrors are synced: with no nodes known, every pod would seem
/// lost. The states are complete once each pod that was there then has been looked at.
class PodStateController {
 public:
  /// The readers' stores and `states` outlive the controller; the controller outlives its tasks.
  PodStateController(base::World& world, state::Reader pods, access::AuthorizedRead pods_allowed,
                     state::Reader nodes, access::AuthorizedRead nodes_allowed,
                     state::PodStates& states, PodStateControllerOptions options);

  /// Starts feeds, workers and sweeper as tasks of `group`; they end when it is stopped.
  base::Result<void> start(runtime::TaskGroup& group);

  /// Brings one pod's state to what the mirror says now: puts, changes or erases it. Returns after
  /// how long it is due again, if it is. Any thread; never waits.
  std::optional<base::Duration> update_status(std::string_view key);
  /// The same for one pod, or with an empty key for every pod and every state whose pod is gone:
  /// whoever must not read an old state calls it first. O(pods), in batches between which others
  /// run.
  base::Task<void> catch_up(std::string key);
  /// Removes the states whose time has passed; returns how many. Any thread. O(states).
  std::size_t cleanup_expired();

  /// For the health check pod-states: an Error until the states are complete.
  [[nodiscard]] base::Result<void> check_complete() const;

  /// Where the map differs from what derive() says of the mirror now: "ns/name: why", by key, at
  /// most `max` lines. Empty at quiescence. O(pods).
  [[nodiscard]] std::vector<std::string> differences(std::size_t max = 10) const;
  /// Keys that wait or are worked on; those that are only due later do not count.
  [[nodiscard]] std::size_t backlog();
  [[nodiscard]] std::vector<std::string> quarantined() const { return controller_.quarantined(); }

 private:
  /// One event log that is followed, and what is done with its events.
  struct Feed {
    state::Reader reader;
    access::AuthorizedRead allowed;
    void (PodStateController::*take)(const state::Event& event);
    std::optional<std::uint64_t> position;  ///< none: everything is to be looked at
  };

  base::Task<base::Result<runtime::Outcome>> reconcile(std::string key);
  base::Task<void> follow(Feed feed);
  base::Task<void> sweep();
  /// One batch; false when there was nothing to do.
  bool advance(Feed& feed);
  void take_pod(const state::Event& event);
  /// Puts in the node's pods, if the change concerns them.
  void take_node(const state::Event& event);
  /// Every pod of the mirror, and every state whose pod is gone.
  [[nodiscard]] std::vector<std::string> every_key() const;
  /// Puts all of them in.
  void enqueue_everything();
  /// Of the keys that were put in first once both mirrors were synced, those not looked at since.
  struct Awaited {
    std::unordered_set<std::string> keys;
    bool known = false;  ///< the keys were put in
  };
  /// `keys` are all that were put in: what is not among them needs no look any more.
  void await(const std::vector<std::string>& keys);
  void looked_at(std::string_view key);

  [[nodiscard]] bool synced() const;
  [[nodiscard]] kube::UnixSeconds now() const;
  [[nodiscard]] Derived derive_now(const state::RecordRef& pod) const;

  base::Clock& clock_;
  const state::Reader pods_;
  const access::AuthorizedRead pods_allowed_;
  const state::Reader nodes_;
  const access::AuthorizedRead nodes_allowed_;
  state::PodStates& states_;
  const PodStateControllerOptions options_;
  runtime::Controller controller_;
  mutable base::Mutex mutex_;
  Awaited awaited_ PK_GUARDED_BY(mutex_);  ///< until the states are complete
};

}  // namespace podkeeper::controllers
