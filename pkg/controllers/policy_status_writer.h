#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/base/task.h"
#include "pkg/controllers/event_recorder.h"
#include "pkg/kube/object_client.h"
#include "pkg/policy/board.h"

#include <map>
#include <string>

namespace podkeeper::controllers {

/// Writes the status of policies: only when it says something new, never over what somebody else
/// wrote meanwhile, and with an Event for what a person should know. For each policy one task at a
/// time.
class PolicyStatusWriter {
 public:
  static constexpr int kConflictsMax = 4;  ///< in a row, before the error is given back

  /// `counts_interval`: entries alone are written at most this often.
  PolicyStatusWriter(base::Clock& clock, kube::ObjectClient& client, std::string instance,
                     base::Duration counts_interval);

  /// Brings the object's status to that of `view`. `body` is the object as the mirror holds it, as
  /// JSON. The Error is that of the last request: worth trying again where it is retryable, or
  /// kConflict.
  base::Task<base::Result<void>> write(policy::PolicyView view, std::string body);
  /// The policy is gone.
  void forget(const std::string& name);

 private:
  struct Known {
    kube::Revision revision;
    std::string body;
    base::MonotonicTime written{};
    bool ever_written = false;
  };
  /// What there is, as newly as it is known.
  Known newest(const policy::PolicyView& view, std::string body);
  void remember(const std::string& name, std::string body, bool written);
  [[nodiscard]] bool worth_writing(const Known& known, const policy::Status& held,
                                   const policy::Status& wanted) const;
  base::Task<void> tell(policy::PolicyView view, policy::Status before, policy::Status now);

  base::Clock& clock_;
  kube::ObjectClient& client_;
  const base::Duration counts_interval_;
  EventRecorder events_;
  base::Mutex mutex_;
  std::map<std::string, Known> known_ PK_GUARDED_BY(mutex_);  ///< answers to our own writes
};

}  // namespace podkeeper::controllers
