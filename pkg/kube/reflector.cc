#include "pkg/kube/reflector.h"

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/base/world.h"
#include "pkg/http/client.h"
#include "pkg/kube/line_buffer.h"
#include "pkg/kube/list_watch_client.h"
#include "pkg/kube/object.h"
#include "pkg/kube/reflector_metrics.h"
#include "pkg/kube/resource.h"
#include "pkg/runtime/backoff.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metrics.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace podkeeper::kube {
namespace {

using base::Error;
using base::ErrorCode;

/// How a watch ended, which decides what follows.
struct WatchEnd {
  enum class Kind {
    kTimedOut,  ///< as announced: watch on
    kBroken,    ///< nothing was lost: watch on, after a wait
    kExpired,   ///< its revision is no longer in upstream's history: list
    kRefused,   ///< it cannot be continued: list, after a wait
  };
  Kind kind = Kind::kTimedOut;
  Error error = {};
};

WatchEnd::Kind kind_of(const Error& error) noexcept {
  switch (error.code) {
    case ErrorCode::kExpired:
      return WatchEnd::Kind::kExpired;
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound:
    case ErrorCode::kMethodNotAllowed:
    case ErrorCode::kNotAcceptable:
    case ErrorCode::kUnprocessable:
    case ErrorCode::kDecode:
      return WatchEnd::Kind::kRefused;
    default:
      return WatchEnd::Kind::kBroken;
  }
}

using Outcome = telemetry::Counter* ReflectorMetrics::Results::*;

double seconds(base::Duration duration) noexcept {
  return std::chrono::duration<double>(duration).count();
}

/// Sets a flag, and the gauge beside it, for a scope.
class WhileTrue {
 public:
  WhileTrue(std::atomic<bool>& flag, telemetry::Gauge& gauge) : flag_(flag), gauge_(gauge) {
    flag_.store(true);
    gauge_.Set(1);
  }
  ~WhileTrue() {
    flag_.store(false);
    gauge_.Set(0);
  }
  WhileTrue(const WhileTrue&) = delete;
  WhileTrue& operator=(const WhileTrue&) = delete;

 private:
  std::atomic<bool>& flag_;
  telemetry::Gauge& gauge_;
};

}  // namespace

struct Reflector::State {
  State(base::World& in, http::Client& client, telemetry::Metrics& registry, MirrorSink& into,
        ReflectorOptions with)
      : world(in),
        sink(into),
        options(std::move(with)),
        name(options.resource.plural_group()),
        upstream(in, client, options),
        metrics(registry, name),
        backoff(in.clock(), in.random(), options.backoff) {}

  base::Task<void> run();
  base::Task<void> list_until_complete();
  base::Task<base::Result<void>> list_once();
  base::Task<std::string> watch_until_gap();
  base::Task<WatchEnd> watch_once();
  base::Task<WatchEnd> follow(http::ClientResponse response);
  /// Takes the complete lines; an end where one of them ends the watch.
  std::optional<WatchEnd> take_lines(LineBuffer& lines);
  std::optional<WatchEnd> take_line(std::string_view line, base::MonotonicTime arrived);
  void take_bookmark(Revision bookmark);
  /// Waits as the error asks, or else by the backoff.
  base::Task<void> wait_after(Error error);
  void set_error(std::string message);
  void count_list(Outcome outcome);

  base::World& world;
  MirrorSink& sink;
  const ReflectorOptions options;
  const std::string name;
  ListWatchClient upstream;
  ReflectorMetrics metrics;
  runtime::Backoff backoff;

  Revision revision;                   ///< everything up to it has been given to the sink
  std::optional<Revision> older_list;  ///< a LIST that was refused, and what it was of
  bool advanced = false;               ///< the watch that runs, or ran last, moved `revision`
  bool just_listed = false;            ///< nothing has come since the last LIST
  bool told_absent = false;            ///< since the last LIST that went well
  int expired_lists = 0;               ///< in a row
  int silent_watches = 0;              ///< in a row, that were up and brought no news
  std::string gap;                     ///< why the next LIST is needed; empty: it is the first
  std::atomic<bool> synced{false};
  std::atomic<bool> watching{false};
  mutable base::Mutex mutex;
  std::string last_error PK_GUARDED_BY(mutex);
};

Reflector::Reflector(base::World& world, http::Client& client, telemetry::Metrics& metrics,
                     MirrorSink& sink, ReflectorOptions options)
    : state_(std::make_unique<State>(world, client, metrics, sink, std::move(options))) {}
Reflector::~Reflector() = default;

base::Task<void> Reflector::run() { return state_->run(); }
bool Reflector::synced() const noexcept { return state_->synced.load(); }
bool Reflector::watching() const noexcept { return state_->watching.load(); }
std::string Reflector::last_error() const {
  base::Lock lock(state_->mutex);
  return state_->last_error;
}

void Reflector::State::set_error(std::string message) {
  base::Lock lock(mutex);
  last_error.swap(message);
}

base::Task<void> Reflector::State::run() {
  while (true) {
    auto listing = list_until_complete();
    co_await std::move(listing);
    auto watches = watch_until_gap();
    gap = co_await std::move(watches);
    telemetry::log_info("listing again",
                        {{"resource", name}, {"reason", gap}, {"revision", revision.value}});
  }
}

base::Task<void> Reflector::State::wait_after(Error error) {
  base::Duration wait = backoff.next();
  if (error.retry_after.has_value() && error.retry_after->count() > 0) {
    wait = std::min<base::Duration>(*error.retry_after, kRetryAfterMax);
  }
  if (!options.may_be_absent || error.code != ErrorCode::kNotFound) {
    telemetry::log_warn("upstream failed, trying again",
                        {{"resource", name}, {"err", error}, {"waitSeconds", seconds(wait)}});
  } else if (!std::exchange(told_absent, true)) {
    telemetry::log_info("upstream does not know the resource, asking again from time to time",
                        {{"resource", name}});
  }
  auto sleep = world.clock().sleep_for(wait);
  co_await std::move(sleep);
}

base::Task<void> Reflector::State::list_until_complete() {
  while (true) {
    const auto started = world.clock().now();
    auto listing = list_once();
    const auto listed = co_await std::move(listing);
    metrics.list_seconds.Observe(seconds(world.clock().now() - started));
    if (listed.has_value()) break;
    const bool expired = listed.error().code == ErrorCode::kExpired;
    count_list(expired ? &ReflectorMetrics::Results::expired : &ReflectorMetrics::Results::error);
    if (listed.error().code == ErrorCode::kDecode) metrics.decode_errors.Increment();
    set_error(listed.error().message);
    if (expired && ++expired_lists == 1) {
      telemetry::log_info("listing from the start", {{"resource", name}, {"err", listed.error()}});
      continue;
    }
    auto waiting = wait_after(listed.error());
    co_await std::move(waiting);
  }
  count_list(&ReflectorMetrics::Results::success);
  expired_lists = silent_watches = 0;
  told_absent = false;
  just_listed = true;
  synced.store(true);
}

void Reflector::State::count_list(Outcome outcome) {
  (metrics.lists.*outcome)->Increment();
  if (!gap.empty()) (metrics.relists.*outcome)->Increment();
}

base::Task<base::Result<void>> Reflector::State::list_once() {
  const bool paged = expired_lists < kExpiredListsMax;
  std::vector<std::unique_ptr<Object>> objects;
  std::optional<Revision> at;
  std::string token;
  do {
    auto listing = upstream.list(std::move(token), paged);
    auto page = co_await std::move(listing);
    if (!page.has_value()) co_return std::move(page).error();
    if (at.value_or(page->revision) != page->revision) {
      co_return upstream.explain("LIST", {.code = ErrorCode::kProtocol,
                                          .message = "its pages are of different revisions"});
    }
    if (page->items.empty() && !page->continue_token.empty()) {
      co_return upstream.explain("LIST", {.code = ErrorCode::kProtocol,
                                          .message = "a page is empty, yet there is another"});
    }
    at = page->revision;
    std::ranges::move(page->items, std::back_inserter(objects));
    token = std::move(page->continue_token);
  } while (!token.empty());
  if (*at < revision) {
    if (!older_list.has_value() || *at < *older_list) {
      older_list = *at;
      co_return upstream.explain("LIST", {.code = ErrorCode::kProtocol,
                                          .message = "it is of revision " + to_string(*at) +
                                                     ", but " + to_string(revision) +
                                                     " has been seen; if the next one is as old, "
                                                     "upstream was restored and it will be taken"});
    }
    telemetry::log_error("upstream was restored to an older state, taking it",
                         {{"resource", name}, {"seen", revision.value}, {"revision", at->value}});
  }
  older_list.reset();
  telemetry::log_info("listed", {{"resource", name},
                                 {"objects", objects.size()},
                                 {"revision", at->value},
                                 {"reason", gap.empty() ? std::string_view("start") : gap}});
  revision = *at;
  sink.replace(std::move(objects), *at);
  co_return base::Result<void>();
}

base::Task<std::string> Reflector::State::watch_until_gap() {
  while (true) {
    advanced = false;
    const auto started = world.clock().now();
    auto running = watch_once();
    WatchEnd end = co_await std::move(running);
    if (advanced) {
      backoff.reset();
      just_listed = false;
      silent_watches = 0;
    }
    // A watch that ends as soon as it began, again and again, would be a busy loop.
    if (end.kind == WatchEnd::Kind::kTimedOut && !advanced &&
        world.clock().now() - started < std::chrono::seconds(1)) {
      end = {.kind = WatchEnd::Kind::kBroken,
             .error = upstream.explain("WATCH", {.code = ErrorCode::kUnavailable,
                                                 .message = "it ended as soon as it began"})};
    }
    const bool expired = end.kind == WatchEnd::Kind::kExpired;
    const bool timed_out = end.kind == WatchEnd::Kind::kTimedOut;
    (expired     ? metrics.watches.expired
     : timed_out ? metrics.watches.success
                 : metrics.watches.error)
        ->Increment();
    if (timed_out) continue;
    set_error(end.error.message);
    const bool at_once =
        advanced && !end.error.retry_after.has_value() && end.kind != WatchEnd::Kind::kRefused;
    if (expired && (at_once || !just_listed)) co_return std::move(end.error.message);
    if (at_once) {
      telemetry::log_info("watch broke, going on", {{"resource", name}, {"err", end.error}});
      continue;
    }
    auto waiting = wait_after(end.error);
    co_await std::move(waiting);
    const bool doubtful = silent_watches >= kSilentWatchesMax;
    if (doubtful || end.kind != WatchEnd::Kind::kBroken) co_return std::move(end.error.message);
  }
}

base::Task<WatchEnd> Reflector::State::watch_once() {
  auto opening = upstream.watch(revision);
  auto response = co_await std::move(opening);
  if (!response.has_value()) {
    co_return WatchEnd{.kind = kind_of(response.error()), .error = response.error()};
  }
  const WhileTrue up(watching, metrics.synced);
  set_error({});
  auto following = follow(*std::move(response));
  WatchEnd end = co_await std::move(following);
  if (end.kind != WatchEnd::Kind::kTimedOut)
    end.error = upstream.explain("WATCH", std::move(end.error));
  co_return end;
}

base::Task<WatchEnd> Reflector::State::follow(http::ClientResponse response) {
  LineBuffer lines(options.line_bytes_max);
  while (true) {
    response.body->set_deadline(world.clock().now() + options.watch_idle_timeout);
    auto reading = response.body->read_some(lines.space());
    const auto more = co_await std::move(reading);
    if (!more.has_value()) {
      Error error = more.error();
      if (error.code == ErrorCode::kTimeout) {
        const auto idle =
            std::chrono::duration_cast<std::chrono::seconds>(options.watch_idle_timeout);
        error.message = "no byte for " + std::to_string(idle.count()) + " s";
        ++silent_watches;
      }
      co_return WatchEnd{.kind = WatchEnd::Kind::kBroken, .error = std::move(error)};
    }
    if (auto end = take_lines(lines); end.has_value()) co_return *std::move(end);
    if (lines.too_long()) {
      co_return WatchEnd{.kind = WatchEnd::Kind::kBroken,
                         .error = {.code = ErrorCode::kTooLarge,
                                   .message = "a line is longer than " +
                                              std::to_string(options.line_bytes_max) + " bytes"}};
    }
    if (!*more) break;
  }
  if (lines.rest().empty()) co_return WatchEnd{};
  // The last line may lack its end.
  auto end = take_line(lines.rest(), world.clock().now());
  co_return end.value_or(WatchEnd{});
}

std::optional<WatchEnd> Reflector::State::take_lines(LineBuffer& lines) {
  const auto arrived = world.clock().now();
  while (const auto line = lines.next()) {
    if (auto end = take_line(*line, arrived); end.has_value()) return end;
  }
  return std::nullopt;
}

std::optional<WatchEnd> Reflector::State::take_line(std::string_view line,
                                                    base::MonotonicTime arrived) {
  if (line.empty()) return std::nullopt;
  auto event = decode_watch_event(options.resource, line, options.decode);
  if (!event.has_value()) {
    metrics.decode_errors.Increment();
    return WatchEnd{.kind = WatchEnd::Kind::kRefused, .error = std::move(event).error()};
  }
  metrics.events(event->type).Increment();
  switch (event->type) {
    case EventType::kError: {
      const bool expired = event->error.code == ErrorCode::kExpired;
      return WatchEnd{.kind = expired ? WatchEnd::Kind::kExpired : WatchEnd::Kind::kRefused,
                      .error = std::move(event->error)};
    }
    case EventType::kBookmark:
      take_bookmark(event->revision);
      return std::nullopt;
    case EventType::kAdded:
    case EventType::kModified:
    case EventType::kDeleted:
      break;
  }
  if (event->revision > revision) {
    revision = event->revision;
    advanced = true;
  }
  sink.apply(event->type, std::move(event->object));
  metrics.event_lag_seconds.Observe(seconds(world.clock().now() - arrived));
  return std::nullopt;
}

void Reflector::State::take_bookmark(Revision bookmark) {
  if (bookmark < revision) {
    metrics.stale_bookmarks.Increment();
    telemetry::log_warn(
        "bookmark goes back, ignored",
        {{"resource", name}, {"revision", revision.value}, {"bookmark", bookmark.value}});
    return;
  }
  advanced = advanced || bookmark > revision;
  revision = bookmark;
  sink.progress(bookmark);
}

}  // namespace podkeeper::kube
