#pragma once

#include "pkg/access/authorized.h"
#include "pkg/base/clock.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/kube/object_client.h"
#include "pkg/leader/leadership.h"
#include "pkg/runtime/pace.h"
#include "pkg/runtime/task_group.h"
#include "pkg/state/store.h"
#include "pkg/telemetry/metrics.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace podkeeper::controllers {

struct PodCleanerOptions {
  std::chrono::seconds terminal_ttl{0};  ///< above 0: how long pods are kept after their end
  /// Every request is made in earnest but for the last step (dryRun=All): rights, admission and
  /// preconditions are judged by the API server, nothing is removed. Each pod is tried once.
  bool dry_run = false;
  base::Duration sweep_interval = std::chrono::seconds(30);
};

/// Deletes pods that Succeeded or Failed from the API server once terminal_ttl has passed since
/// their end: what Kubernetes' TTL-after-finished controller does for Jobs, for every pod, and what
/// its pod garbage collector leaves to a threshold of 12,500. Only while this process leads.
///
/// The mirror says which pods are expired; that it may be old does no harm. Each request carries
/// the uid and the resourceVersion of what was judged, so that a pod of the same name that came
/// since, or one that changed, is met by 409 and left alone. A pod that is being deleted already,
/// and waits for its finalizers, is not asked for again.
///
/// No more than kBurst requests at once and one every kInterval after. Pods that failed come last
/// in the next sweep, and kFailuresMax in a row end a sweep: a missing right or a server that is
/// down costs little, and one pod that a webhook protects holds up no other.
class PodCleaner {
 public:
  static constexpr std::uint32_t kBurst = 10;
  static constexpr base::Duration kInterval = std::chrono::milliseconds(100);
  static constexpr int kFailuresMax = 10;

  /// `client` sends in the leader's term only. All that is given by reference, and the reader's
  /// store, outlives the cleaner; the cleaner outlives its task.
  PodCleaner(base::Clock& clock, state::Reader pods, access::AuthorizedRead pods_allowed,
             kube::ObjectClient& client, leader::Leadership& leadership,
             telemetry::Metrics& metrics, PodCleanerOptions options);

  /// Sweeps every sweep_interval, and when this process begins to lead, as a task of `group`.
  base::Result<void> start(runtime::TaskGroup& group);
  /// One sweep; nothing without the lead. One at a time. O(pods), and a request for each that is
  /// expired.
  base::Task<void> sweep();

 private:
  /// What came of one pod. kFailed: the next sweep tries again.
  enum class Outcome { kDone, kLeft, kFailed };
  /// What is known of a pod that was asked for and is still there, by its uid.
  struct Tried {
    int failures = 0;
    bool told = false;  ///< its dry run succeeded
  };
  struct Expired {
    kube::ObjectKey key;
    int failures = 0;
    kube::UnixSeconds since = 0;
  };

  base::Task<void> run();
  /// Those to be asked for now: which failed least, then which expired first.
  std::vector<Expired> expired_pods();
  /// Since when the pod is to be deleted; nothing where it is not.
  [[nodiscard]] std::optional<kube::UnixSeconds> expired_since(const kube::Object& pod) const;
  base::Task<void> keep_pace();
  base::Task<Outcome> remove(kube::ObjectKey key);
  Outcome succeeded(const kube::Object& pod);
  Outcome failed(const kube::Object& pod, const base::Error& error);
  void count(const char* result);

  base::Clock& clock_;
  const state::Reader pods_;
  const access::AuthorizedRead pods_allowed_;
  kube::ObjectClient& client_;
  leader::Leadership& leadership_;
  telemetry::Metrics& metrics_;
  const PodCleanerOptions options_;
  runtime::Pace pace_{kInterval, kBurst};
  std::map<std::string, Tried, std::less<>> tried_;
  std::optional<base::ErrorCode> reported_;  ///< why it failed last, until it succeeds
};

}  // namespace podkeeper::controllers
