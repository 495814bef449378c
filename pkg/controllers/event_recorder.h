#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/base/task.h"
#include "pkg/kube/object_client.h"
#include "pkg/kube/resource.h"
#include "pkg/runtime/pace.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace podkeeper::controllers {

/// What an Event is about.
struct EventSubject {
  kube::Resource resource;
  std::string namespace_ = {};  ///< empty: cluster-scoped
  std::string name, uid;
  kube::Revision revision;
};

/// One thing that happened to it, for `kubectl describe`.
struct EventText {
  bool warning = false;
  std::string action;  ///< what was being done, CamelCase
  std::string reason;  ///< why there is an Event, CamelCase
  std::string note;
};

/// Posts Events of events.k8s.io/v1, in the namespace of what they are about; those about what is
/// cluster-scoped stand in the namespace default. As client-go's recorder (tools/events) does it:
/// the same Event again becomes a series of the one that was posted, whose count is posted when it
/// begins, every kRefresh while it goes on, and once after nothing came for kFinish, which ends it.
/// And as its older one (tools/record) holds floods back: of one object, a burst of kBurst posts,
/// then one every kInterval; more are dropped. Other than client-go's, what is the same includes
/// the note, which says the most here.
///
/// An Event that cannot be posted is logged and forgotten: it is news, not state. Any task.
class EventRecorder {
 public:
  static constexpr std::size_t kRememberedMax = 1024;  ///< beyond, the oldest is forgotten
  static constexpr std::size_t kNoteBytesMax = 1024;   ///< Kubernetes' own limits
  static constexpr std::size_t kWordBytesMax = 128;
  static constexpr base::Duration kFinish = std::chrono::minutes(6);
  static constexpr base::Duration kRefresh = std::chrono::minutes(30);
  static constexpr std::uint32_t kBurst = 25;
  static constexpr base::Duration kInterval = std::chrono::minutes(5);

  /// `instance` is the reporting process's name; `client` outlives the recorder.
  EventRecorder(base::Clock& clock, kube::ObjectClient& client, std::string instance);

  base::Task<void> record(EventSubject subject, EventText text);
  /// Posts the counts of series that go on or are over; for a timer. Runs until it is stopped.
  base::Task<void> keep_series();

 private:
  struct Series {
    std::int64_t count = 0;
    base::WallTime last;
  };
  /// An Event that was posted, and what came after it.
  struct Posted {
    std::string name;
    EventSubject subject;
    EventText text;
    base::WallTime first;
    base::MonotonicTime seen;  ///< when it happened last
    base::MonotonicTime told;  ///< when a request was last made of it
    std::optional<Series> series = {};
  };

  /// What is to be posted now of something that happens; nothing where it only counts, or is
  /// dropped.
  std::optional<Posted> take_up(EventSubject subject, EventText text);
  bool is_flood(const std::string& uid, base::MonotonicTime now) PK_REQUIRES(mutex_);
  void forget_oldest() PK_REQUIRES(mutex_);
  /// The series whose counts are to be posted; those that are over are forgotten.
  std::vector<Posted> due_series();
  base::Task<void> post(Posted event);
  base::Task<base::Result<void>> send(Posted event);
  [[nodiscard]] std::string body_of(const Posted& event) const;

  base::Clock& clock_;
  kube::ObjectClient& client_;
  const std::string instance_;
  base::Mutex mutex_;
  std::map<std::string, Posted> posted_ PK_GUARDED_BY(mutex_);  ///< by all that makes them the same
  std::map<std::string, runtime::Pace> paces_ PK_GUARDED_BY(mutex_);  ///< by the subject's uid
  std::int64_t last_name_ PK_GUARDED_BY(mutex_) = 0;
};

}  // namespace podkeeper::controllers
