#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/base/task.h"
#include "pkg/controllers/event_recorder.h"
#include "pkg/kube/object_client.h"
#include "pkg/policy/board.h"
#include "pkg/policy/status.h"
#include "pkg/runtime/pace.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace podkeeper::controllers {

struct PolicyStatusWriterOptions {
  std::string instance = "podkeeper";  ///< this process's entry in status.instances
  /// Entries alone are written at most this often.
  base::Duration counts_interval = std::chrono::seconds(30);
  /// An instance's entry is renewed at least this often ...
  base::Duration heartbeat = std::chrono::minutes(10);
  /// ... and the leader removes one that it has seen unchanged for this long. By its own clock from
  /// when it saw it first, as leader election judges leases: clocks need not agree.
  base::Duration silent_after = std::chrono::minutes(30);
  /// The answer to an own write counts before an older object of the mirror this long. By then the
  /// mirror has it too, unless upstream was restored to what was before.
  base::Duration mirror_lag_max = std::chrono::minutes(2);
  /// Sends what the leader writes; null: the one client sends everything. Outlives the writer.
  kube::ObjectClient* leaders_client = nullptr;
};

/// Writes the status of policies by server-side apply: each instance its own entry of
/// status.instances as the field manager podkeeper-<instance>, the leader everything else as
/// podkeeper, which is the same manager whoever leads, so that a new leader goes on with the
/// fields of the one before. Only what says something new is written.
///
/// The status of a policy is podkeeper's own, so fields that another manager took are taken back,
/// as Kubernetes asks of controllers (reference/using-api/server-side-apply, "Conflicts": always
/// force on objects that they own and manage). But first an apply without force says who took
/// what: it is logged once, told by an Event, and forced at most kForcedBurst times at once and
/// every kForcedInterval then, so that two who insist do not wear out the API server. Whatever
/// happens, a policy gets at most kWritesBurst writes at once and one every kWritesInterval.
///
/// Any task; for each policy one at a time.
class PolicyStatusWriter {
 public:
  static constexpr std::uint32_t kWritesBurst = 60;
  static constexpr base::Duration kWritesInterval = std::chrono::seconds(3);
  static constexpr std::uint32_t kForcedBurst = 2;
  static constexpr base::Duration kForcedInterval = std::chrono::seconds(30);
  static constexpr const char* kLeaderManager = "podkeeper";
  static constexpr std::size_t kManagerBytesMax = 128;  ///< Kubernetes' own limit

  /// `client` and `events` outlive the writer.
  PolicyStatusWriter(base::Clock& clock, kube::ObjectClient& client, EventRecorder& events,
                     PolicyStatusWriterOptions options);

  /// Brings the object's status to that of `view`: the instance's own entry, and the rest where
  /// `leads`. `body` is the object as the mirror holds it, as JSON. Gives when to look again at the
  /// latest. The Error is that of the last request.
  base::Task<base::Result<base::Duration>> write(policy::PolicyView view, std::string body,
                                                 bool leads);
  /// Gives up the instance's entry in this policy's status.
  base::Task<base::Result<void>> leave(std::string name);
  /// The policy is gone.
  void forget(const std::string& name);

 private:
  /// What was last heard of an instance.
  struct Heard {
    std::optional<std::int64_t> heartbeat;
    base::MonotonicTime since;
  };
  /// What is known of one policy; of the one task that writes its status.
  struct Record {
    kube::Revision revision;
    std::string body;                ///< the newest: the mirror's, or the answer to our own write
    base::MonotonicTime answered{};  ///< when the last of those answers came
    policy::Status held = {};        ///< what the body says
    std::optional<base::MonotonicTime> summary_written = {}, instance_written = {};
    runtime::Pace writes{kWritesInterval, kWritesBurst};
    runtime::Pace forced{kForcedInterval, kForcedBurst};
    base::MonotonicTime held_off_until{};
    std::map<std::string, std::string> conflicts = {};  ///< the last that was told, by manager
    std::map<std::string, Heard> heard = {};
  };
  struct Application {
    std::string manager, configuration;
    bool leads = false;
  };

  std::shared_ptr<Record> record_of(const std::string& name);
  /// What one step of write() came to.
  base::Task<base::Result<bool>> write_instance(std::shared_ptr<Record> record,
                                                policy::PolicyView view, bool leads);
  base::Task<base::Result<bool>> write_summary(std::shared_ptr<Record> record,
                                               policy::PolicyView view);
  base::Task<base::Result<bool>> prune(std::shared_ptr<Record> record, policy::PolicyView view);
  /// True once it is written; false where it has to wait, or the policy is gone.
  base::Task<base::Result<bool>> apply(std::shared_ptr<Record> record, policy::Identity policy,
                                       Application application);
  /// Whether it is another conflict than the manager was last told of, as it now is.
  static bool is_news(Record& record, const std::string& manager, const std::string& conflict);
  base::Task<void> tell(policy::Identity policy, EventText text);
  bool wait_for(Record& record, runtime::Pace& pace);
  static void take(Record& record, kube::Revision revision, std::string body);
  void take_answer(Record& record, std::string body);
  std::vector<std::string> silent(Record& record);
  [[nodiscard]] bool due(policy::Gap gap, std::optional<base::MonotonicTime> written) const;
  [[nodiscard]] std::int64_t now_seconds() const;

  base::Clock& clock_;
  kube::ObjectClient& client_;
  kube::ObjectClient& leaders_client_;
  EventRecorder& events_;
  const PolicyStatusWriterOptions options_;
  const std::string manager_;  ///< of the instance's own entry
  base::Mutex mutex_;
  std::map<std::string, std::shared_ptr<Record>> records_ PK_GUARDED_BY(mutex_);
};

}  // namespace podkeeper::controllers
