#include "pkg/base/clock.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/http/client.h"
#include "pkg/kube/initial_events.h"
#include "pkg/kube/line_buffer.h"
#include "pkg/kube/object.h"
#include "pkg/kube/reflector.h"
#include "pkg/kube/reflector_metrics.h"
#include "pkg/kube/reflector_state.h"
#include "pkg/kube/resource.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metrics.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace podkeeper::kube {

using base::Error;
using base::ErrorCode;

base::Task<void> Reflector::State::list_until_complete() {
  while (true) {
    const auto started = world.clock().now();
    doubt.settle();
    auto listing = list_once();
    const auto listed = co_await std::move(listing);
    metrics.list_seconds.Observe(seconds_of(world.clock().now() - started));
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
  list_next = false;
  told_absent = false;
  just_listed = true;
  listed_at = world.clock().now();
  synced.store(true);
}

void Reflector::State::count_list(telemetry::Counter* ReflectorMetrics::Results::* outcome) {
  (metrics.lists.*outcome)->Increment();
  if (!gap.empty()) (metrics.relists.*outcome)->Increment();
}

base::Task<base::Result<void>> Reflector::State::list_once() {
  if (watch_lists && !list_next) {
    auto watched = list_by_watch();
    auto told = co_await std::move(watched);
    if (told.has_value()) co_return told;
    // Whatever it was, LIST may do better than the same again.
    list_next = true;
    if (watch_lists) co_return told;
    telemetry::log_warn("upstream does not tell its state by a watch, listing from now on",
                        {{"resource", name}, {"err", told.error()}});
  }
  auto listing = list_by_pages();
  co_return co_await std::move(listing);
}

base::Task<base::Result<void>> Reflector::State::list_by_pages() {
  const bool paged = expired_lists < kExpiredListsMax;
  DecodedList state;
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
    std::ranges::move(page->items, std::back_inserter(state.items));
    std::ranges::move(page->quarantined, std::back_inserter(state.quarantined));
    if (page->repaired) tell_repaired("LIST");
    token = std::move(page->continue_token);
  } while (!token.empty());
  state.revision = *at;
  auto taken = take_state("LIST", std::move(state));
  if (!taken.has_value()) co_return upstream.explain("LIST", std::move(taken).error());
  co_return taken;
}

base::Error Reflector::State::not_offered(Error error) {
  watch_lists = false;
  return error;
}

base::Task<base::Result<void>> Reflector::State::list_by_watch() {
  auto opening = upstream.watch_from_state();
  auto response = co_await std::move(opening);
  if (!response.has_value()) {
    const bool refused = response.error().code == ErrorCode::kInvalidArgument ||
                         response.error().code == ErrorCode::kUnprocessable;
    co_return refused ? not_offered(std::move(response).error()) : std::move(response).error();
  }
  OpenWatch watch{.response = *std::move(response), .lines = LineBuffer(options.line_bytes_max)};
  auto taking = take_initial_events(watch);
  auto taken = co_await std::move(taking);
  if (!taken.has_value()) co_return upstream.explain("WATCH", std::move(taken).error());
  open = std::move(watch);
  co_return taken;
}

base::Task<base::Result<void>> Reflector::State::take_initial_events(OpenWatch& watch) {
  const auto latest = world.clock().now() + 2 * options.watch_timeout_min;
  InitialEvents state;
  std::vector<Quarantined> quarantined;
  for (bool more = true; more;) {
    const auto deadline = std::min(world.clock().now() + options.list_timeout, latest);
    watch.response.body->set_deadline(deadline);
    auto reading = watch.response.body->read_some(watch.lines.space());
    auto read = co_await std::move(reading);
    if (!read.has_value()) {
      if (read.error().code != ErrorCode::kTimeout) co_return std::move(read).error();
      co_return not_offered({.code = ErrorCode::kTimeout,
                             .message = "the bookmark that ends the initial events did not come"});
    }
    more = *read;
    while (const auto line = watch.lines.next()) {
      if (line->empty()) continue;
      auto event = decode_watch_event(options.resource, *line, options.decode);
      if (!event.has_value()) co_return std::move(event).error();
      if (event->repaired) tell_repaired("WATCH");
      if (event->quarantined.has_value()) quarantined.push_back(*event->quarantined);
      switch (state.take(*std::move(event))) {
        case InitialEvents::Taken::kMore:
          break;
        case InitialEvents::Taken::kComplete:
          co_return take_state("WATCH", {.revision = state.revision(),
                                         .items = state.take_objects(),
                                         .quarantined = std::move(quarantined)});
        case InitialEvents::Taken::kFailed:
          co_return state.error();
        case InitialEvents::Taken::kNotOffered:
          co_return not_offered(
              {.code = ErrorCode::kProtocol,
               .message = "a bookmark came that does not end the initial events"});
      }
    }
    if (watch.lines.too_long()) co_return too_long(options.line_bytes_max);
  }
  co_return Error{.code = ErrorCode::kUnavailable,
                  .message = "it ended before the initial events did"};
}

void Reflector::State::tell_repaired(std::string_view verb) const {
  telemetry::log_warn("text that is not UTF-8 was repaired", {{"resource", name}, {"verb", verb}});
}

base::Result<void> Reflector::State::take_state(std::string_view verb, DecodedList state) {
  const Revision at = state.revision;
  if (at < revision && (!older_list.has_value() || at < *older_list)) {
    older_list = at;
    return Error{.code = ErrorCode::kProtocol,
                 .message = "it is of revision " + to_string(at) + ", but " + to_string(revision) +
                            " has been seen; if the next one is as old, "
                            "upstream was restored and it will be taken"};
  }
  older_list.reset();
  telemetry::log_info("listed", {{"resource", name},
                                 {"verb", verb},
                                 {"objects", state.items.size()},
                                 {"revision", at.value},
                                 {"reason", gap.empty() ? std::string_view("start") : gap}});
  quarantine.replace(state.quarantined);
  switch (sink.replace(std::move(state.items), at)) {
    case WatchProof::kNone:
      break;
    case WatchProof::kUntold:
      telemetry::log_warn("a list shows what no watch told, clients start over",
                          {{"resource", name}, {"seen", revision.value}, {"revision", at.value}});
      break;
    case WatchProof::kRestored:
      telemetry::log_error("upstream was restored to an older state, which was taken",
                           {{"resource", name}, {"seen", revision.value}, {"revision", at.value}});
      share_doubt("upstream was restored, as the list of " + name + " shows");
      break;
  }
  revision = at;
  return {};
}

}  // namespace podkeeper::kube
