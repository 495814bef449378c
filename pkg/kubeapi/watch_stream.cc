#include "pkg/kubeapi/watch_stream.h"

#include "pkg/kubeapi/errors.h"
#include "pkg/telemetry/metric_names.h"

#include <algorithm>
#include <utility>

namespace podkeeper::kubeapi {
namespace {

using std::chrono::seconds;

/// Before the deadline a last bookmark tells the client how far it got, as upstream does.
constexpr seconds kBookmarkBeforeEnd{2};

/// Counts for as long as it lives.
class Counted {
 public:
  explicit Counted(telemetry::Gauge& gauge) : gauge_(gauge) { gauge_.Increment(); }
  ~Counted() { gauge_.Decrement(); }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  telemetry::Gauge& gauge_;
};

base::Duration choose_timeout(const ListOptions& options, const WatchServices& services) {
  if (options.watch_options.timeout) return *options.watch_options.timeout;
  const auto min = static_cast<std::uint64_t>(services.timeout_min.count());
  return services.timeout_min +
         base::Duration(services.world.random().below(std::max<std::uint64_t>(min, 1)));
}

}  // namespace

const char* to_string(WatchEnd end) noexcept {
  switch (end) {
    case WatchEnd::kClient:
      return "client";
    case WatchEnd::kTimeout:
      return "timeout";
    case WatchEnd::kGone:
      return "gone";
    case WatchEnd::kSlow:
      return "slow";
    case WatchEnd::kShutdown:
      return "shutdown";
    case WatchEnd::kError:
      return "error";
  }
  return "error";
}

WatchMetrics::WatchMetrics(telemetry::Metrics& metrics, const kube::Resource& resource)
    : streams(metrics.gauge(telemetry::kWatchStreams, {resource.plural_group()})),
      parked(metrics.gauge(telemetry::kWatchParkedStreams)),
      events_sent(metrics.counter(telemetry::kWatchEventsSent, {resource.plural_group()})) {
  for (const auto end : kWatchEnds) {
    ended[static_cast<std::size_t>(end)] =
        &metrics.counter(telemetry::kWatchTerminated, {to_string(end)});
  }
}

WatchStream::WatchStream(std::shared_ptr<const void> owner, WatchServices& services,
                         WatchMetrics& metrics, const Words& words, state::Reader reader,
                         access::AuthorizedRead allowed, ListOptions options, Shape shape)
    : owner_(std::move(owner)),
      services_(services),
      metrics_(metrics),
      words_(words),
      reader_(reader),
      allowed_(std::move(allowed)),
      options_(std::move(options)),
      everything_(options_.query.namespace_.empty() && options_.query.labels.empty() &&
                  options_.query.fields.empty()),
      rendering_{.shape = shape, .include = options_.include, .now = {}},
      wakeup_(services.world.clock()) {}

base::Task<void> WatchStream::run(std::shared_ptr<WatchStream> self, http::BodyWriter& out) {
  const Counted counted(self->metrics_.streams);
  const auto end = co_await self->stream(out);
  self->metrics_.ended[static_cast<std::size_t>(end)]->Increment();
}

base::Task<WatchEnd> WatchStream::stream(http::BodyWriter& out) {
  const auto changes = reader_.subscribe(wakeup_);
  const auto drains = services_.drain_wakeups.subscribe(wakeup_);
  // The server drops the callback when this body ends.
  out.on_end([this] {
    ended_.store(true, std::memory_order_relaxed);
    wakeup_.notify();
  });
  deadline_ = services_.world.clock().now() + choose_timeout(options_, services_);
  schedule_bookmark();
  auto end = co_await start(out);
  while (!end) end = co_await step(out);
  co_return *end;
}

base::Task<WatchStream::Ended> WatchStream::start(http::BodyWriter& out) {
  if (options_.watch_options.initial_events) {
    const bool there = co_await reached(options_.not_older_than);
    if (!there) {
      auto status = too_large_revision(options_.not_older_than.value, reader_.freshness().revision);
      co_return co_await fail(out, std::move(status));
    }
    co_return co_await send_state(out);
  }
  const auto known = reader_.freshness().revision;
  sent_ = options_.watch_options.from.value_or(known);
  const auto position = reader_.watch_from(allowed_, sent_);
  if (!position) {
    auto status = kube::status_from_error(position.error());
    co_return co_await fail(out, std::move(status));
  }
  position_ = *position;
  if (sent_ > known) silent_until_ = sent_;
  co_return std::nullopt;
}

base::Task<WatchStream::Ended> WatchStream::send_state(http::BodyWriter& out) {
  auto state = reader_.list_and_position(allowed_, options_.query);
  if (!state) {
    auto status = kube::status_from_error(state.error());
    co_return co_await fail(out, std::move(status));
  }
  position_ = state->position;
  sent_ = state->list.freshness.revision;
  rendering_.now = services_.world.clock().wall_now();
  for (auto& record : state->list.records) {
    gather_frame(kube::EventType::kAdded, record->object(), std::nullopt);
    pending_.keep(std::move(record));
    if (pending_events_ < kEventsPerWriteMax) continue;
    if (auto ended = co_await flush(out)) co_return ended;
  }
  if (options_.watch_options.mark_initial_end) {
    append_bookmark(pending_, rendering_.shape, words_, sent_, /*initial_end=*/true);
  }
  co_return co_await flush(out);
}

base::Task<WatchStream::Ended> WatchStream::step(http::BodyWriter& out) {
  if (ending(out)) co_return WatchEnd::kShutdown;
  if (ended_.load(std::memory_order_relaxed)) co_return WatchEnd::kClient;
  // Taken before the log is read: everything up to this revision is then in what was read, or
  // before it.
  const auto known = reader_.freshness().revision;
  if (const auto begun = begin_when_reached(known); !begun) {
    auto status = kube::status_from_error(begun.error());
    co_return co_await fail(out, std::move(status));
  }
  base::Result<std::vector<state::EventRef>> events = std::vector<state::EventRef>();
  if (!silent_until_) events = reader_.events(allowed_, position_, kEventsPerWriteMax);
  if (!events) {
    auto status = overtaken(events.error());
    co_return co_await fail(out, std::move(status));
  }
  const auto now = services_.world.clock().now();
  rendering_.now = services_.world.clock().wall_now();
  position_ += events->size();
  for (const auto& event : *events) gather(event);
  const bool caught_up = events->size() < kEventsPerWriteMax;
  if (caught_up && now >= next_bookmark_) {
    if (known > sent_) sent_ = known;
    // Nothing may be told of a future revision that the client asked for and nobody has reached.
    if (!silent_until_) {
      append_bookmark(pending_, rendering_.shape, words_, sent_, /*initial_end=*/false);
    }
    schedule_bookmark();
  }
  if (auto ended = co_await flush(out)) co_return ended;
  if (!caught_up) co_return std::nullopt;
  if (now >= deadline_) co_return WatchEnd::kTimeout;
  const Counted parked(metrics_.parked);
  co_await wakeup_.wait_until(std::min(deadline_, next_bookmark_));
  co_return std::nullopt;
}

base::Result<void> WatchStream::begin_when_reached(kube::Revision known) {
  if (!silent_until_) return {};
  const auto position = reader_.watch_from(allowed_, *silent_until_);
  if (!position) return position.error();
  if (known < *silent_until_) return {};
  position_ = *position;
  silent_until_.reset();
  return {};
}

base::Task<WatchStream::Ended> WatchStream::flush(http::BodyWriter& out) {
  if (pending_.empty()) co_return std::nullopt;
  const auto written = co_await out.write(pending_.pieces());
  pending_.clear();
  if (!written)
    co_return written.error().code == base::ErrorCode::kTimeout ? WatchEnd::kSlow
                                                                : WatchEnd::kClient;
  metrics_.events_sent.Increment(static_cast<double>(std::exchange(pending_events_, 0)));
  co_return std::nullopt;
}

base::Task<WatchEnd> WatchStream::fail(http::BodyWriter& out, kube::Status status) {
  const auto end = status.code == 410 ? WatchEnd::kGone : WatchEnd::kError;
  std::string json = kube::to_json(status);
  if (json.ends_with('\n')) json.pop_back();
  pending_.add(R"({"type":"ERROR","object":)");
  pending_.own(std::move(json));
  pending_.add("}\n");
  const auto ended = co_await flush(out);
  co_return ended.value_or(end);
}

base::Task<bool> WatchStream::reached(kube::Revision revision) {
  const auto until = services_.world.clock().now() + services_.future_revision_wait;
  while (reader_.freshness().revision < revision) {
    const bool notified = co_await wakeup_.wait_until(until);
    if (!notified) co_return reader_.freshness().revision >= revision;
  }
  co_return true;
}

kube::Status WatchStream::overtaken(const base::Error& error) const {
  // In upstream's words, as a new watch from where this one stands would be told.
  const auto again = reader_.watch_from(allowed_, sent_);
  return kube::status_from_error(again ? error : again.error());
}

void WatchStream::gather(const state::EventRef& event) {
  if (event->revision > sent_) sent_ = event->revision;
  const bool deletion = event->type == kube::EventType::kDeleted;
  const auto& object = event->object->object();
  if (everything_) {
    gather_frame(event->type, object, std::nullopt);
    return pending_.keep(event);
  }
  const bool matched =
      event->previous ? matches(event->previous->object()) : deletion && matches(object);
  const bool matches_now = !deletion && matches(object);
  if (!matched && !matches_now) return;
  if (deletion) {
    gather_frame(kube::EventType::kDeleted, object, std::nullopt);
  } else if (!matches_now) {
    gather_frame(kube::EventType::kDeleted, event->previous->object(), event->revision);
  } else {
    gather_frame(matched ? kube::EventType::kModified : kube::EventType::kAdded, object,
                 std::nullopt);
  }
  pending_.keep(event);
}

void WatchStream::gather_frame(kube::EventType type, const kube::Object& object,
                               std::optional<kube::Revision> revised) {
  append_frame(pending_, rendering_, words_, type, object, revised,
               std::exchange(first_frame_, false));
  ++pending_events_;
}

bool WatchStream::matches(const kube::Object& object) const noexcept {
  const auto& query = options_.query;
  return (query.namespace_.empty() || object.namespace_() == query.namespace_) &&
         query.labels.matches(object.labels) && query.fields.matches(object);
}

bool WatchStream::ending(const http::BodyWriter& out) const noexcept {
  return out.draining() || services_.draining.load(std::memory_order_relaxed);
}

void WatchStream::schedule_bookmark() {
  if (!options_.watch_options.bookmarks) return;
  const auto now = services_.world.clock().now();
  next_bookmark_ = now + services_.bookmark_interval;
  if (deadline_ - kBookmarkBeforeEnd > now) {
    next_bookmark_ = std::min<base::MonotonicTime>(next_bookmark_, deadline_ - kBookmarkBeforeEnd);
  }
}

}  // namespace podkeeper::kubeapi
