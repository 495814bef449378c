#include "pkg/controllers/pod_cleaner.h"

#include "pkg/base/panic.h"
#include "pkg/controllers/derive.h"
#include "pkg/recovery/guard.h"
#include "pkg/runtime/wakeup.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metric_names.h"

#include <algorithm>
#include <initializer_list>
#include <tuple>
#include <utility>

namespace podkeeper::controllers {
namespace {

using base::ErrorCode;
using base::Task;

const char* result_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound:
      return "gone";
    case ErrorCode::kConflict:
      return "conflict";
    case ErrorCode::kForbidden:
      return "forbidden";
    default:
      return "error";
  }
}

}  // namespace

PodCleaner::PodCleaner(base::Clock& clock, state::Reader pods, access::AuthorizedRead pods_allowed,
                       kube::ObjectClient& client, leader::Leadership& leadership,
                       telemetry::Metrics& metrics, PodCleanerOptions options)
    : clock_(clock),
      pods_(pods),
      pods_allowed_(std::move(pods_allowed)),
      client_(client),
      leadership_(leadership),
      metrics_(metrics),
      options_(options) {
  PK_CHECK(options_.terminal_ttl.count() > 0, "how long pods are kept after their end");
}

base::Result<void> PodCleaner::start(runtime::TaskGroup& group) {
  return group.spawn("pod-cleaner", base::Handler::kTimer, [this] { return run(); });
}

Task<void> PodCleaner::run() {
  runtime::Wakeup wakeup(clock_);
  const auto subscription = leadership_.subscribe(wakeup);
  while (true) {
    auto sweeping = recovery::guard(base::Handler::kTimer, sweep());
    const auto swept = co_await std::move(sweeping);
    if (!swept && swept.error().code == ErrorCode::kCancelled) co_return;
    auto waiting = wakeup.wait_until(clock_.now() + options_.sweep_interval);
    co_await std::move(waiting);
  }
}

Task<void> PodCleaner::sweep() {
  if (!leadership_.leads()) co_return;
  const std::vector<Expired> expired = expired_pods();
  int failures = 0;
  for (const Expired& pod : expired) {
    auto waiting = keep_pace();
    co_await std::move(waiting);
    if (!leadership_.leads()) co_return;
    auto removing = remove(pod.key);
    const Outcome outcome = co_await std::move(removing);
    failures = outcome == Outcome::kFailed ? failures + 1 : 0;
    if (failures == kFailuresMax) co_return;
  }
}

std::vector<PodCleaner::Expired> PodCleaner::expired_pods() {
  const auto pods = pods_.list(pods_allowed_, {});
  PK_CHECK(pods.has_value(), "the present can always be listed");
  std::vector<Expired> expired;
  std::map<std::string, Tried, std::less<>> still_there;
  for (const state::RecordRef& record : pods->records) {
    const kube::Object& pod = record->object();
    const auto since = expired_since(pod);
    if (!since) continue;
    Tried tried;
    if (const auto known = tried_.find(pod.uid); known != tried_.end()) {
      tried = known->second;
      still_there.insert(*known);
    }
    if (tried.told) continue;
    expired.push_back(
        {.key = {.namespace_ = std::string(pod.namespace_()), .name = std::string(pod.name())},
         .failures = tried.failures,
         .since = *since});
  }
  tried_ = std::move(still_there);
  std::ranges::sort(expired, [](const Expired& a, const Expired& b) {
    return std::tie(a.failures, a.since, a.key.namespace_, a.key.name) <
           std::tie(b.failures, b.since, b.key.namespace_, b.key.name);
  });
  return expired;
}

std::optional<kube::UnixSeconds> PodCleaner::expired_since(const kube::Object& pod) const {
  if (pod.deleted != 0) return std::nullopt;
  const auto expiry = terminal_expiry(pod, options_.terminal_ttl);
  const auto now = std::chrono::floor<std::chrono::seconds>(clock_.wall_now());
  if (!expiry || *expiry > now.time_since_epoch().count()) return std::nullopt;
  return expiry;
}

Task<void> PodCleaner::keep_pace() {
  while (true) {
    const base::Duration wait = pace_.take(clock_.now());
    if (wait == base::Duration::zero()) co_return;
    auto sleeping = clock_.sleep_for(wait);
    co_await std::move(sleeping);
  }
}

Task<PodCleaner::Outcome> PodCleaner::remove(kube::ObjectKey key) {
  // As it is now: a sweep may take long.
  const state::RecordRef record = pods_.get(pods_allowed_, key);
  if (!record || !expired_since(record->object())) co_return Outcome::kLeft;
  const kube::Object& pod = record->object();
  kube::RemoveOptions only_this{
      .uid = std::string(pod.uid), .revision = pod.revision, .dry_run = options_.dry_run};
  auto removing = client_.remove(kube::pods(), std::move(key), std::move(only_this));
  const auto removed = co_await std::move(removing);
  co_return removed ? succeeded(pod) : failed(pod, removed.error());
}

PodCleaner::Outcome PodCleaner::succeeded(const kube::Object& pod) {
  reported_.reset();
  count(options_.dry_run ? "dry_run" : "deleted");
  if (options_.dry_run) tried_[std::string(pod.uid)].told = true;
  const std::string expired_at =
      kube::format_time(terminal_expiry(pod, options_.terminal_ttl).value_or(0));
  const std::initializer_list<telemetry::LogField> fields = {
      {"pod", pod.key_text}, {"uid", pod.uid}, {"expiredAt", expired_at}};
  if (options_.dry_run) {
    telemetry::log_info("expired_pod_would_be_deleted", fields);
  } else {
    telemetry::log_info("expired_pod_deleted", fields);
  }
  return Outcome::kDone;
}

PodCleaner::Outcome PodCleaner::failed(const kube::Object& pod, const base::Error& error) {
  // Who does not lead any more has not asked.
  if (error.code == ErrorCode::kUnavailable && !leadership_.leads()) return Outcome::kLeft;
  count(result_of(error.code));
  // Somebody else was first; the mirror will say so.
  const bool overtaken = error.code == ErrorCode::kNotFound || error.code == ErrorCode::kConflict;
  const bool news = !overtaken && std::exchange(reported_, error.code) != error.code;
  const auto log = news ? telemetry::log_warn : telemetry::log_debug;
  log("expired_pod_not_deleted", {{"pod", pod.key_text}, {"err", error}});
  if (overtaken) return Outcome::kLeft;
  ++tried_[std::string(pod.uid)].failures;
  return Outcome::kFailed;
}

void PodCleaner::count(const char* result) {
  metrics_.counter(telemetry::kPodCleanUps, {result}).Increment();
}

}  // namespace podkeeper::controllers
