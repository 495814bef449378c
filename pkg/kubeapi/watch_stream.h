#pragma once

#include "pkg/access/authorized.h"
#include "pkg/base/world.h"
#include "pkg/http/message.h"
#include "pkg/kube/status.h"
#include "pkg/kubeapi/gather.h"
#include "pkg/kubeapi/list_options.h"
#include "pkg/kubeapi/shapes.h"
#include "pkg/runtime/wakeup.h"
#include "pkg/state/store.h"
#include "pkg/telemetry/metrics.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace podkeeper::kubeapi {

/// Why a watch ended, the closed set of podkeeper_watch_terminated_total{reason}.
enum class WatchEnd { kClient, kTimeout, kGone, kSlow, kShutdown, kError };
inline constexpr WatchEnd kWatchEnds[] = {WatchEnd::kClient, WatchEnd::kTimeout,  WatchEnd::kGone,
                                          WatchEnd::kSlow,   WatchEnd::kShutdown, WatchEnd::kError};
const char* to_string(WatchEnd end) noexcept;

/// The figures of one resource's watches, resolved once.
struct WatchMetrics {
  WatchMetrics(telemetry::Metrics& metrics, const kube::Resource& resource);
  telemetry::Gauge& streams;
  telemetry::Gauge& parked;
  telemetry::Counter& events_sent;
  telemetry::Counter* ended[std::size(kWatchEnds)];
};

/// What every watch of one API shares. Outlives the streams.
struct WatchServices {
  base::World& world;
  base::Duration bookmark_interval;
  base::Duration timeout_min;
  base::Duration future_revision_wait;
  std::atomic<bool> draining = false;
  runtime::WakeupList drain_wakeups{};
};

/// One WATCH: a position in the store's event log, and nothing built for it beyond the bytes under
/// way. It waits on its own Wakeup, then sends whatever queued up in one write; a slow client holds
/// back only itself, and is told 410 once the log has passed it. Its frames are static text around
/// the records' own bytes.
class WatchStream {
 public:
  /// `words`, `metrics` and `services` live in `owner`, which the stream keeps alive.
  WatchStream(std::shared_ptr<const void> owner, WatchServices& services, WatchMetrics& metrics,
              const Words& words, state::Reader reader, access::AuthorizedRead allowed,
              ListOptions options, Shape shape);

  /// Sends until the deadline, the drain, the client's end or the log's. Once.
  static base::Task<void> run(std::shared_ptr<WatchStream> self, http::BodyWriter& out);

  /// Three pieces each, and the frame of the chunk: what one gathered write takes without a copy,
  /// so that a crowd of clients who read nothing holds no buffers.
  static constexpr std::size_t kEventsPerWriteMax = 20;

 private:
  using Ended = std::optional<WatchEnd>;

  base::Task<WatchEnd> stream(http::BodyWriter& out);
  /// Finds the first position, and sends the initial events where they are asked for.
  base::Task<Ended> start(http::BodyWriter& out);
  base::Task<Ended> send_state(http::BodyWriter& out);
  /// Sends what is new, or waits for it.
  base::Task<Ended> step(http::BodyWriter& out);
  /// Where a revision of the future was asked for and is there by now: begins after it. The Error
  /// says that there is no beginning there, as the mirror went past it by a LIST.
  base::Result<void> begin_when_reached(kube::Revision known);
  /// Writes what is gathered, if anything.
  base::Task<Ended> flush(http::BodyWriter& out);
  base::Task<WatchEnd> fail(http::BodyWriter& out, kube::Status status);
  base::Task<bool> reached(kube::Revision revision);

  /// What a client is told whose position the log has passed.
  [[nodiscard]] kube::Status overtaken(const base::Error& error) const;
  void gather(const state::EventRef& event);
  void gather_frame(kube::EventType type, const kube::Object& object,
                    std::optional<kube::Revision> revised);
  [[nodiscard]] bool matches(const kube::Object& object) const noexcept;
  [[nodiscard]] bool ending(const http::BodyWriter& out) const noexcept;
  void schedule_bookmark();

  std::shared_ptr<const void> owner_;
  WatchServices& services_;
  WatchMetrics& metrics_;
  const Words& words_;
  const state::Reader reader_;
  const access::AuthorizedRead allowed_;
  const ListOptions options_;
  const bool everything_;  // no namespace and no selector: every event passes as it is
  Rendering rendering_;
  runtime::Wakeup wakeup_;
  std::atomic<bool> ended_ = false;  // the server drains or the client is gone
  Gather pending_;
  std::size_t pending_events_ = 0;
  bool first_frame_ = true;
  std::uint64_t position_ = 0;
  kube::Revision sent_;                         // the client knows all changes up to here
  std::optional<kube::Revision> silent_until_;  // a revision of the future, asked for by the client
  base::MonotonicTime deadline_{};
  base::MonotonicTime next_bookmark_ = base::MonotonicTime::max();
};

}  // namespace podkeeper::kubeapi
