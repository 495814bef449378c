#include "pkg/base/clock.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/http/client.h"
#include "pkg/kube/line_buffer.h"
#include "pkg/kube/object.h"
#include "pkg/kube/reflector.h"
#include "pkg/kube/reflector_metrics.h"
#include "pkg/kube/reflector_state.h"
#include "pkg/kube/resource.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metrics.h"

#include <boost/asio/this_coro.hpp>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace podkeeper::kube {

using base::Error;
using base::ErrorCode;

namespace {

/// A history so short that every watch has expired would be LISTed without end: a LIST that brought
/// nothing is followed by another at once only after so long.
constexpr base::Duration kListAgainAfter = std::chrono::seconds(30);

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

WatchEnd doubted_by(std::string why) {
  return {.kind = WatchEnd::Kind::kDoubted,
          .error = {.code = ErrorCode::kCancelled, .message = std::move(why)}};
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
    const bool doubted = end.kind == WatchEnd::Kind::kDoubted;
    (expired                ? metrics.watches.expired
     : timed_out || doubted ? metrics.watches.success
                            : metrics.watches.error)
        ->Increment();
    if (timed_out) continue;
    if (doubted) co_return std::move(end.error.message);
    set_error(end.error.message);
    const bool at_once =
        advanced && !end.error.retry_after.has_value() && end.kind != WatchEnd::Kind::kRefused;
    const auto list_again = listed_at + kListAgainAfter;
    const bool lists_seldom = !just_listed || world.clock().now() >= list_again;
    if (expired && (at_once || lists_seldom)) co_return std::move(end.error.message);
    if (at_once) {
      telemetry::log_info("watch broke, going on", {{"resource", name}, {"err", end.error}});
      continue;
    }
    auto waiting = expired ? wait_after(end.error, list_again) : wait_after(end.error);
    co_await std::move(waiting);
    const bool doubtful = silent_watches >= kSilentWatchesMax;
    if (doubtful || end.kind != WatchEnd::Kind::kBroken) co_return std::move(end.error.message);
  }
}

base::Task<WatchEnd> Reflector::State::watch_once() {
  auto watch = std::exchange(open, std::nullopt);
  if (!watch.has_value()) {
    auto opening = upstream.watch(revision);
    auto response = co_await std::move(opening);
    if (!response.has_value()) {
      co_return WatchEnd{.kind = kind_of(response.error()), .error = response.error()};
    }
    watch.emplace(*std::move(response), LineBuffer(options.line_bytes_max));
  }
  const WhileTrue up(watching, metrics.synced);
  set_error({});
  auto following = follow(*std::move(watch));
  WatchEnd end = co_await std::move(following);
  if (end.kind != WatchEnd::Kind::kTimedOut && end.kind != WatchEnd::Kind::kDoubted)
    end.error = upstream.explain("WATCH", std::move(end.error));
  co_return end;
}

base::Task<WatchEnd> Reflector::State::follow(OpenWatch watch) {
  const auto executor = co_await boost::asio::this_coro::executor;
  const ReflectorDoubt::Following following(doubt, *watch.response.body, executor);
  for (bool more = true; true;) {
    if (auto end = take_lines(watch.lines); end.has_value()) co_return *std::move(end);
    if (watch.lines.too_long()) {
      co_return WatchEnd{.kind = WatchEnd::Kind::kBroken,
                         .error = too_long(options.line_bytes_max)};
    }
    if (!more) break;
    watch.response.body->set_deadline(world.clock().now() + options.watch_idle_timeout);
    if (auto why = doubt.reason(); !why.empty()) co_return doubted_by(std::move(why));
    auto reading = watch.response.body->read_some(watch.lines.space());
    const auto read = co_await std::move(reading);
    if (auto why = doubt.reason(); !why.empty()) co_return doubted_by(std::move(why));
    if (!read.has_value()) {
      Error error = read.error();
      if (error.code == ErrorCode::kTimeout) {
        const auto idle =
            std::chrono::duration_cast<std::chrono::seconds>(options.watch_idle_timeout);
        error.message = "no byte for " + std::to_string(idle.count()) + " s";
        ++silent_watches;
      }
      co_return WatchEnd{.kind = WatchEnd::Kind::kBroken, .error = std::move(error)};
    }
    more = *read;
  }
  if (watch.lines.rest().empty()) co_return WatchEnd{};
  // The last line may lack its end.
  auto end = take_line(watch.lines.rest(), world.clock().now());
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
  if (event->repaired) tell_repaired("WATCH");
  if (event->quarantined.has_value()) {
    metrics.decode_errors.Increment();
    quarantine.add(*event->quarantined);
  } else {
    quarantine.remove(event->object->key_text);
  }
  if (event->revision > revision) {
    revision = event->revision;
    advanced = true;
  } else {
    // A watch tells each revision once, in order; the sink knows what is news to its object.
    metrics.stale_events.Increment();
  }
  sink.apply(event->type, std::move(event->object));
  metrics.event_lag_seconds.Observe(seconds_of(world.clock().now() - arrived));
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
