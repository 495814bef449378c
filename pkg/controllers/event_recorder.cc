#include "pkg/controllers/event_recorder.h"

#include "pkg/kube/object.h"
#include "pkg/telemetry/log.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

namespace podkeeper::controllers {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kController = "podkeeper.dev/podkeeper";

std::string namespace_of(const EventSubject& subject) {
  return subject.namespace_.empty() ? "default" : subject.namespace_;
}

/// The beginning of a text, of at most so many bytes, cut between characters.
std::string shortened(std::string text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  constexpr unsigned kContinuationMask = 0xC0, kContinuation = 0x80;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & kContinuationMask) == kContinuation) {
    --end;
  }
  text.resize(end);
  return text;
}

std::string key_of(const EventSubject& subject, const EventText& text) {
  return Json{subject.resource.plural_group(),
              subject.namespace_,
              subject.name,
              subject.uid,
              text.warning,
              text.action,
              text.reason,
              text.note}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string micro_time(base::WallTime at) {
  const auto micros = std::chrono::floor<std::chrono::microseconds>(at);
  return kube::format_micro_time(micros.time_since_epoch().count());
}

std::string hexadecimal(std::int64_t number) {
  std::array<char, 17> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
  return {digits.data(), end};
}

/// A missing right stays missing until somebody reads of it; anything else passes.
void tell_of_failure(const std::string& reason, const base::Error& error) {
  const auto log =
      error.code == base::ErrorCode::kForbidden ? telemetry::log_warn : telemetry::log_debug;
  log("event_not_posted", {{"reason", reason}, {"err", error}});
}

}  // namespace

EventRecorder::EventRecorder(base::Clock& clock, kube::ObjectClient& client, std::string instance)
    : clock_(clock), client_(client), instance_(shortened(std::move(instance), kWordBytesMax)) {}

bool EventRecorder::is_flood(const std::string& uid, base::MonotonicTime now) {
  const auto at = paces_.try_emplace(uid, kInterval, kBurst).first;
  const bool flood = at->second.take(now) > base::Duration::zero();
  if (paces_.size() > kRememberedMax) {
    std::erase_if(paces_, [&](const auto& pace) { return pace.second.is_full(now); });
  }
  if (paces_.size() > kRememberedMax) paces_.clear();
  return flood;
}

void EventRecorder::forget_oldest() {
  if (posted_.size() <= kRememberedMax) return;
  posted_.erase(
      std::ranges::min_element(posted_, {}, [](const auto& entry) { return entry.second.seen; }));
}

std::optional<EventRecorder::Posted> EventRecorder::take_up(EventSubject subject, EventText text) {
  const base::MonotonicTime now = clock_.now();
  const base::WallTime wall = clock_.wall_now();
  base::Lock lock(mutex_);
  std::string key = key_of(subject, text);
  const auto known = posted_.find(key);
  if (known != posted_.end()) {
    Posted& event = known->second;
    event.seen = now;
    if (event.series) {
      *event.series = {event.series->count + 1, wall};
      return std::nullopt;
    }
    event.series = {2, wall};
    if (is_flood(event.subject.uid, now)) return std::nullopt;
    event.told = now;
    return event;
  }
  if (is_flood(subject.uid, now)) return std::nullopt;
  // Named by the time, as client-go names them, and never twice the same.
  last_name_ = std::max<std::int64_t>(last_name_ + 1, wall.time_since_epoch().count());
  Posted event{.name = subject.name + "." + hexadecimal(last_name_),
               .subject = std::move(subject),
               .text = std::move(text),
               .first = wall,
               .seen = now,
               .told = now};
  posted_.emplace(std::move(key), event);
  forget_oldest();
  return event;
}

std::vector<EventRecorder::Posted> EventRecorder::due_series() {
  const base::MonotonicTime now = clock_.now();
  std::vector<Posted> due;
  base::Lock lock(mutex_);
  for (auto at = posted_.begin(); at != posted_.end();) {
    Posted& event = at->second;
    const bool over = now - event.seen >= kFinish;
    if (event.series && (over || now - event.told >= kRefresh)) {
      event.told = now;
      due.push_back(event);
    }
    at = over ? posted_.erase(at) : std::next(at);
  }
  return due;
}

base::Task<void> EventRecorder::record(EventSubject subject, EventText text) {
  auto event = take_up(std::move(subject), std::move(text));
  if (!event) co_return;
  auto posting = post(*std::move(event));
  co_await std::move(posting);
}

base::Task<void> EventRecorder::keep_series() {
  while (true) {
    auto sleeping = clock_.sleep_for(kFinish);
    co_await std::move(sleeping);
    auto due = due_series();
    for (Posted& event : due) {
      auto posting = post(std::move(event));
      co_await std::move(posting);
    }
  }
}

base::Task<void> EventRecorder::post(Posted event) {
  const std::string reason = event.text.reason;
  auto sending = send(std::move(event));
  const auto sent = co_await std::move(sending);
  if (!sent) tell_of_failure(reason, sent.error());
}

base::Task<base::Result<void>> EventRecorder::send(Posted event) {
  if (event.series) {
    const Json patch = {
        {"series",
         {{"count", event.series->count}, {"lastObservedTime", micro_time(event.series->last)}}}};
    auto patching = client_.merge_patch(
        kube::events_v1(), {namespace_of(event.subject), event.name}, "", patch.dump());
    const auto patched = co_await std::move(patching);
    if (patched) co_return base::Result<void>();
    if (patched.error().code != base::ErrorCode::kNotFound) co_return patched.error();
  }
  // The first of its kind, or the server forgot it meanwhile.
  auto creating = client_.create(kube::events_v1(), namespace_of(event.subject), body_of(event));
  const auto created = co_await std::move(creating);
  if (!created) co_return created.error();
  co_return base::Result<void>();
}

std::string EventRecorder::body_of(const Posted& event) const {
  const EventSubject& subject = event.subject;
  Json body = {{"apiVersion", kube::events_v1().api_version()},
               {"kind", "Event"},
               {"metadata", {{"name", event.name}, {"namespace", namespace_of(subject)}}},
               {"eventTime", micro_time(event.first)},
               {"reportingController", kController},
               {"reportingInstance", instance_},
               {"action", shortened(event.text.action, kWordBytesMax)},
               {"reason", shortened(event.text.reason, kWordBytesMax)},
               {"regarding",
                {{"kind", subject.resource.kind},
                 {"name", subject.name},
                 {"uid", subject.uid},
                 {"apiVersion", subject.resource.api_version()},
                 {"resourceVersion", kube::to_string(subject.revision)}}},
               {"note", shortened(event.text.note, kNoteBytesMax)},
               {"type", event.text.warning ? "Warning" : "Normal"}};
  if (!subject.namespace_.empty()) body["regarding"]["namespace"] = subject.namespace_;
  if (event.series) {
    body["series"] = {{"count", event.series->count},
                      {"lastObservedTime", micro_time(event.series->last)}};
  }
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace podkeeper::controllers
