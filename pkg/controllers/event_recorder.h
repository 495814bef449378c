#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/base/task.h"
#include "pkg/kube/object_client.h"
#include "pkg/kube/resource.h"
#include "pkg/telemetry/metrics.h"

#include <cstdint>
#include <map>
#include <string>

namespace podkeeper::controllers {

/// What an Event is about.
struct EventSubject {
  kube::Resource resource;
  std::string name, uid;
  kube::Revision revision;
};

/// One thing that happened to it, for `kubectl describe`.
struct EventText {
  bool warning = false;
  std::string reason;  ///< CamelCase
  std::string message;
};

/// Posts Kubernetes Events (core/v1; those about what is cluster-scoped stand in the namespace
/// default). The same Event again counts up in the one that is there; within `repeat` it is
/// dropped. An Event that cannot be posted is logged and forgotten: it is news, not state. Any
/// task.
class EventRecorder {
 public:
  static constexpr std::size_t kRememberedMax = 1024;    ///< beyond, the oldest is forgotten
  static constexpr std::size_t kMessageBytesMax = 1024;  ///< Kubernetes' own limit

  /// `instance` is the reporting process's name. `metrics` may be null.
  EventRecorder(base::Clock& clock, kube::ObjectClient& client, std::string instance,
                base::Duration repeat = std::chrono::minutes(1));

  base::Task<void> record(EventSubject subject, EventText text);

 private:
  /// Whether it is to be posted now; remembers that it was.
  bool due(const std::string& name);
  base::Task<base::Result<void>> count_up(std::string name, std::string time);

  base::Clock& clock_;
  kube::ObjectClient& client_;
  const std::string instance_;
  const base::Duration repeat_;
  base::Mutex mutex_;
  std::map<std::string, base::MonotonicTime> posted_ PK_GUARDED_BY(mutex_);
};

}  // namespace podkeeper::controllers
