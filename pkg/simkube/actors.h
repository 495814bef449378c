#pragma once

#include "pkg/access/authorized.h"
#include "pkg/base/world.h"
#include "pkg/runtime/seeded_random.h"
#include "pkg/runtime/wakeup.h"
#include "pkg/simkube/cluster.h"
#include "pkg/simkube/timeline.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace podkeeper::simkube {

struct ActorOptions {
  std::uint64_t seed = 1;
  /// Changes per second that the cluster makes by itself, about; 0: it only answers what clients
  /// do.
  double churn = 5;
  base::Duration churn_for{};  ///< they act this long, then never again; 0: for ever
};

/// Everything in the cluster that acts: scheduler, kubelets, the deployment controller, and chance.
/// They see the cluster as controllers do, by its changes, so what a client writes is acted on like
/// what they wrote themselves. One task; the same seed over the same cluster and time does the
/// same.
class Actors {
 public:
  Actors(base::World& world, Cluster& cluster, ActorOptions options);
  /// Acts until its task is stopped.
  base::Task<void> run();
  /// From now on about so many changes per second; 0: what is under way ends, then it is quiet. Any
  /// thread.
  void set_churn(double churn);

 private:
  struct Pod {
    kube::ObjectKey key;
    std::string uid, node, phase, hash;
    std::string deployment;  ///< "namespace/name"; empty: nobody's
    bool ready = false, deleting = false, job = false;
  };
  struct Node {
    std::string address;
    bool heard = true;
  };
  /// A place in one resource's changes.
  struct Cursor {
    explicit Cursor(state::Reader from, access::AuthorizedRead proof)
        : reader(from), allowed(std::move(proof)) {}
    state::Reader reader;
    access::AuthorizedRead allowed;
    std::uint64_t position = 0;
  };

  // What is known, from lists and changes.
  /// The first look: what is there already, loaded pods among it, is left as it is.
  void learn_all();
  /// Begins anew when the log has passed a cursor, and acts on what is there.
  void catch_up();
  /// Takes in what changed since; counts it against the churn.
  void observe();
  void learn_node(const kube::Object& node);
  void learn_pod(const kube::Object& object, bool gone);
  [[nodiscard]] Pod view_of(const kube::Object& object) const;

  // What follows from it.
  void react(const Pod& pod);
  void plan(const std::string& act, const kube::ObjectKey& key, base::Duration min,
            base::Duration spread, std::function<void()> step);
  void plan_rollout(const std::string& deployment);
  void schedule(const kube::ObjectKey& key, const std::string& uid);
  void start(const kube::ObjectKey& key, const std::string& uid);
  void finish(const kube::ObjectKey& key, const std::string& uid);

  // Rollouts.
  void roll_out(const kube::ObjectKey& key);
  void create_pods(const Json& deployment, std::size_t count);
  void tell_status(const kube::ObjectKey& key, const Json& deployment,
                   const std::vector<const Pod*>& pods, const std::string& hash);

  // Chance.
  /// Returns when the next initiative is due.
  base::MonotonicTime take_initiatives(base::MonotonicTime now);
  void take_initiative();
  void fail_node();
  void heartbeat();
  void disturb_pod();
  void run_job();
  void touch_deployment();
  [[nodiscard]] const Pod* any_pod();

  bool edit_pod(const kube::ObjectKey& key, const std::string& uid,
                const std::function<bool(Json&)>& change) {
    return cluster_.edit(kube::pods(), key, uid, change);
  }
  base::Duration between(base::Duration min, base::Duration spread);

  base::World& world_;
  Cluster& cluster_;
  runtime::SeededRandom random_;
  runtime::Wakeup wakeup_;
  Timeline timeline_;
  std::vector<Cursor> cursors_;  ///< pods, nodes, deployments
  std::map<std::string, Pod>
      pods_;  ///< by "namespace/name": ordered, so that chance picks the same by seed
  std::map<std::string, Node> nodes_;
  std::map<std::string, kube::ObjectKey> deployments_;
  std::uint64_t addresses_ = 0;
  std::uint64_t jobs_ = 0;
  const base::Duration churn_for_;
  std::atomic<double> churn_;
  double budget_ = 0;  ///< changes that may still be made now; below 0: more were made than asked
  base::MonotonicTime budgeted_{};  ///< when the budget last grew
};

}  // namespace podkeeper::simkube
