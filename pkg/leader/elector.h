#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/base/random.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/base/world.h"
#include "pkg/leader/leadership.h"
#include "pkg/leader/lease.h"
#include "pkg/runtime/wakeup.h"
#include "pkg/telemetry/metrics.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace podkeeper::leader {

/// client-go's: how much longer than the retry period a wait may be by chance.
inline constexpr double kJitterFactor = 1.2;

/// Defaults as Kubernetes' own components have them. lease_duration > renew_deadline >
/// retry_period * kJitterFactor > 0, and the first in whole seconds, as a Lease says it.
struct ElectionOptions {
  std::string name;      ///< of the lease, for metrics, logs and messages
  std::string identity;  ///< of this process; no two are the same
  base::Duration lease_duration = std::chrono::seconds(15);  ///< others wait for this long
  base::Duration renew_deadline = std::chrono::seconds(10);  ///< the leader acts for this long
  base::Duration retry_period = std::chrono::seconds(2);     ///< between two tries of the leader
};

/// "<hostname>_<uuid>": a new one for each process, as a restarted one knows nothing of the leader
/// that it was.
std::string make_identity(std::string_view hostname, base::Random& random);

/// Elects one leader among processes by a Lease, so that it shares one with client-go's electors
/// (tools/leaderelection): the same record, the same steps in try_acquire_or_renew, the same
/// durations. A candidate takes the lease once it has seen the same record for lease_duration of
/// its own monotonic clock; what another clock wrote is never compared.
///
/// It is stricter than client-go where that costs nothing:
///
///   a term counts from before the request was sent, not from its answer, and lasts for
///     renew_deadline: that is over before the lease can be taken, however late the answer came.
///     Clocks may differ in rate by lease_duration / renew_deadline, less what is on its way
///   who is deposed or cut off stops to lead and is a candidate again; the process goes on
///   a candidate waits for a third of the retry period with kJitterFactor, and never beyond the end
///     of the lease it sees: the lease is taken within lease_duration + retry_period
///   a lease that was deleted is made anew only when its holder's time is over, and its transitions
///     go on; release() gives up only what is still ours
///
/// run() and release() are called by one task at a time; everything else by any.
class LeaderElector final : public Leadership {
 public:
  /// PK_CHECKs the options. The world, the metrics and the lock outlive it.
  LeaderElector(base::World& world, telemetry::Metrics& metrics, LeaseLock& lock,
                ElectionOptions options);
  LeaderElector(const LeaderElector&) = delete;
  LeaderElector& operator=(const LeaderElector&) = delete;

  /// Stands for election, leads, and stands again, until its task is stopped. The term goes on
  /// then until it ends by itself or is released.
  base::Task<void> run();
  /// Gives the lease up, if it is ours, so that another need not wait. Only after run() has ended,
  /// and everything that acts for the leader: from here on, nothing may.
  base::Task<void> release();

  [[nodiscard]] std::optional<Term> term() const override;
  [[nodiscard]] runtime::WakeupList::Subscription subscribe(runtime::Wakeup& wakeup) override {
    return changes_.subscribe(wakeup);
  }
  /// Who held the lease when it was last seen; empty before, and where nobody did.
  [[nodiscard]] std::string holder() const;
  /// For a health check, as client-go's HealthzAdaptor: an Error where this process should have
  /// noticed, `tolerance` after its lease could be taken, that it does not lead any more.
  [[nodiscard]] base::Result<void> check(base::Duration tolerance) const;

 private:
  /// What was seen of the lease last.
  struct Observed {
    LeaseRecord record = {};
    base::MonotonicTime at{};     ///< when it was seen first
    base::MonotonicTime until{};  ///< of our term; means nothing under another holder
  };

  base::Task<bool> try_acquire_or_renew();
  base::Task<bool> try_create();
  /// The record that is held by us from now on.
  [[nodiscard]] LeaseRecord claim(const Observed& seen, bool held) const;
  [[nodiscard]] Observed observed() const;
  void observe(LeaseRecord record);
  /// Our record stands since after `sent`.
  void won(LeaseRecord record, base::MonotonicTime sent);
  [[nodiscard]] bool ours(const LeaseRecord& record) const {
    return record.holder == options_.identity;
  }
  /// Whether the holder that was seen may still act at `now`.
  [[nodiscard]] static bool valid(const Observed& seen, base::MonotonicTime now);
  /// Says so where this process began or ceased to lead, or another did.
  void review();
  void failed(const base::Error& error);
  [[nodiscard]] base::MonotonicTime next_try() const;
  [[nodiscard]] std::string wall_time() const;

  base::Clock& clock_;
  base::Random& random_;
  LeaseLock& lock_;
  const ElectionOptions options_;
  telemetry::Counter& slow_path_;
  runtime::WakeupList changes_;
  std::string reported_holder_;  ///< of the running task alone, like the next
  std::string reported_error_;
  mutable base::Mutex mutex_;
  Observed observed_ PK_GUARDED_BY(mutex_);
  bool leading_ PK_GUARDED_BY(mutex_) = false;  ///< as it was said last
  std::shared_ptr<void> scrape_;                ///< last: it asks for the term
};

}  // namespace podkeeper::leader
