#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/base/world.h"
#include "pkg/http/client.h"
#include "pkg/kube/line_buffer.h"
#include "pkg/kube/list_watch_client.h"
#include "pkg/kube/object.h"
#include "pkg/kube/quarantine.h"
#include "pkg/kube/reflector.h"
#include "pkg/kube/reflector_doubt.h"
#include "pkg/kube/reflector_metrics.h"
#include "pkg/kube/resource.h"
#include "pkg/kube/shared_doubt.h"
#include "pkg/runtime/backoff.h"
#include "pkg/telemetry/metric_names.h"
#include "pkg/telemetry/metrics.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The reflector's inside, for its own files: reflector.cc runs it, reflector_list.cc brings the
// whole state, reflector_watch.cc the changes.
namespace podkeeper::kube {

/// How a watch ended, which decides what follows.
struct WatchEnd {
  enum class Kind {
    kTimedOut,  ///< as announced: watch on
    kBroken,    ///< nothing was lost: watch on, after a wait
    kExpired,   ///< its revision is no longer in upstream's history: list
    kRefused,   ///< it cannot be continued: list, after a wait
    kDoubted,   ///< somebody knows that it did not tell everything: list
  };
  Kind kind = Kind::kTimedOut;
  base::Error error = {};
};

/// A watch whose answer has begun, and what was read of it.
struct OpenWatch {
  http::ClientResponse response;
  LineBuffer lines;
};

/// A line of a watch is longer than `bytes_max`.
inline base::Error too_long(std::size_t bytes_max) {
  return {.code = base::ErrorCode::kTooLarge,
          .message = "a line is longer than " + std::to_string(bytes_max) + " bytes"};
}

inline double seconds_of(base::Duration duration) noexcept {
  return std::chrono::duration<double>(duration).count();
}

struct Reflector::State {
  State(base::World& in, http::Client& client, telemetry::Metrics& registry, MirrorSink& into,
        ReflectorOptions with)
      : world(in),
        sink(into),
        options(std::move(with)),
        name(options.resource.plural_group()),
        upstream(in, client, options),
        metrics(registry, name),
        quarantine(name, registry.gauge(telemetry::kReflectorQuarantined, {name})),
        backoff(in.clock(), in.random(), options.backoff) {
    if (options.shared_doubt != nullptr) options.shared_doubt->add(doubt);
  }
  ~State() {
    if (options.shared_doubt != nullptr) options.shared_doubt->remove(doubt);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  base::Task<void> run();
  base::Task<void> list_until_complete();
  base::Task<base::Result<void>> list_once();
  base::Task<base::Result<void>> list_by_pages();
  /// The state by a watch, which then goes on as `open`.
  base::Task<base::Result<void>> list_by_watch();
  base::Task<base::Result<void>> take_initial_events(OpenWatch& watch);
  /// Upstream does not offer the state by a watch: it is not asked for it again.
  base::Error not_offered(base::Error error);
  /// A whole state, which may be older than what was seen only if upstream was restored.
  base::Result<void> take_state(std::string_view verb, DecodedList state);
  void tell_repaired(std::string_view verb) const;
  base::Task<std::string> watch_until_gap();
  base::Task<WatchEnd> watch_once();
  base::Task<WatchEnd> follow(OpenWatch watch);
  /// Takes the complete lines; an end where one of them ends the watch.
  std::optional<WatchEnd> take_lines(LineBuffer& lines);
  std::optional<WatchEnd> take_line(std::string_view line, base::MonotonicTime arrived);
  void take_bookmark(Revision bookmark);
  /// Waits as the error asks, or else by the backoff, but not beyond `latest`.
  base::Task<void> wait_after(base::Error error,
                              base::MonotonicTime latest = base::MonotonicTime::max());
  void share_doubt(const std::string& reason);
  void set_error(std::string message);
  void count_list(telemetry::Counter* ReflectorMetrics::Results::* outcome);

  base::World& world;
  MirrorSink& sink;
  const ReflectorOptions options;
  const std::string name;
  ListWatchClient upstream;
  ReflectorMetrics metrics;
  Quarantine quarantine;
  runtime::Backoff backoff;

  Revision revision;                      ///< everything up to it has been given to the sink
  std::optional<Revision> older_list;     ///< a LIST that was refused, and what it was of
  bool advanced = false;                  ///< the watch that runs, or ran last, moved `revision`
  bool just_listed = false;               ///< nothing has come since the last LIST
  base::MonotonicTime listed_at{};        ///< when that was complete
  bool told_absent = false;               ///< since the last LIST that went well
  int expired_lists = 0;                  ///< in a row
  bool watch_lists = options.watch_list;  ///< the state is asked for by a watch
  bool list_next = false;         ///< by LIST this time, as the watch that was to tell it failed
  std::optional<OpenWatch> open;  ///< the watch that told the state, for its changes
  int silent_watches = 0;         ///< in a row, that were up and brought no news
  std::string gap;                ///< why the next LIST is needed; empty: it is the first
  std::atomic<bool> synced{false};
  std::atomic<bool> watching{false};
  mutable base::Mutex mutex;
  std::string last_error PK_GUARDED_BY(mutex);
  ReflectorDoubt doubt{world.clock()};
};

}  // namespace podkeeper::kube
