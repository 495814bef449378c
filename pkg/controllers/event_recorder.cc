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

constexpr const char* kNamespace = "default";

/// FNV-1a of 64 bits, in hexadecimal: Events that say the same have the same name, also after a
/// restart.
std::string digest(std::initializer_list<std::string_view> texts) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const std::string_view text : texts) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    hash = (hash ^ 0xFFU) * 1099511628211ULL;
  }
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), hash, 16).ptr;
  return {digits.data(), end};
}

std::string event_body(const EventSubject& subject, const EventText& text, const std::string& name,
                       const std::string& instance, const std::string& time) {
  const Json event = {{"apiVersion", "v1"},
                      {"kind", "Event"},
                      {"metadata", {{"name", name}, {"namespace", kNamespace}}},
                      {"involvedObject",
                       {{"kind", subject.resource.kind},
                        {"name", subject.name},
                        {"uid", subject.uid},
                        {"apiVersion", subject.resource.api_version()},
                        {"resourceVersion", kube::to_string(subject.revision)}}},
                      {"reason", text.reason},
                      {"message", text.message.substr(0, EventRecorder::kMessageBytesMax)},
                      {"source", {{"component", "podkeeper"}}},
                      {"firstTimestamp", time},
                      {"lastTimestamp", time},
                      {"count", 1},
                      {"type", text.warning ? "Warning" : "Normal"},
                      {"eventTime", nullptr},
                      {"reportingComponent", "podkeeper.dev/podkeeper"},
                      {"reportingInstance", instance}};
  return event.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::int64_t count_of(const std::string& event) {
  const Json json = Json::parse(event, nullptr, false);
  const auto at = json.is_object() ? json.find("count") : json.end();
  constexpr std::int64_t kMax = 1'000'000'000;
  if (!json.is_object() || at == json.end() || !at->is_number_integer()) return 1;
  return std::clamp<std::int64_t>(at->get<std::int64_t>(), 1, kMax);
}

/// A missing right stays missing until somebody reads of it; anything else passes.
void tell_of_failure(const std::string& reason, const base::Error& error) {
  const auto log =
      error.code == base::ErrorCode::kForbidden ? telemetry::log_warn : telemetry::log_debug;
  log("event_not_posted", {{"reason", reason}, {"err", error}});
}

}  // namespace

EventRecorder::EventRecorder(base::Clock& clock, kube::ObjectClient& client, std::string instance,
                             base::Duration repeat)
    : clock_(clock), client_(client), instance_(std::move(instance)), repeat_(repeat) {}

bool EventRecorder::due(const std::string& name) {
  const base::MonotonicTime now = clock_.now();
  base::Lock lock(mutex_);
  const auto [at, added] = posted_.try_emplace(name, now);
  if (!added && now - at->second < repeat_) return false;
  at->second = now;
  if (posted_.size() > kRememberedMax) {
    posted_.erase(std::ranges::min_element(posted_, {}, [](const auto& p) { return p.second; }));
  }
  return true;
}

base::Task<void> EventRecorder::record(EventSubject subject, EventText text) {
  const std::string name =
      subject.name + "." + digest({subject.uid, text.reason, text.message, instance_});
  if (!due(name)) co_return;
  const auto now = std::chrono::floor<std::chrono::seconds>(clock_.wall_now());
  const std::string time = kube::format_time(now.time_since_epoch().count());
  auto creating =
      client_.create(kube::events(), kNamespace, event_body(subject, text, name, instance_, time));
  auto created = co_await std::move(creating);
  base::Result<void> outcome;
  if (!created) outcome = created.error();
  if (!created && created.error().code == base::ErrorCode::kAlreadyExists) {
    auto counting = count_up(name, time);
    outcome = co_await std::move(counting);
  }
  if (!outcome) tell_of_failure(text.reason, outcome.error());
}

base::Task<base::Result<void>> EventRecorder::count_up(std::string name, std::string time) {
  const kube::ObjectKey key{.namespace_ = kNamespace, .name = std::move(name)};
  auto getting = client_.get(kube::events(), key);
  const auto held = co_await std::move(getting);
  if (!held) co_return held.error();
  const Json patch = {{"count", count_of(*held) + 1}, {"lastTimestamp", time}};
  auto patching = client_.merge_patch(kube::events(), key, "", patch.dump());
  const auto patched = co_await std::move(patching);
  if (!patched) co_return patched.error();
  co_return base::Result<void>();
}

}  // namespace podkeeper::controllers
