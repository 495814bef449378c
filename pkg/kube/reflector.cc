#include "pkg/kube/reflector.h"

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/base/world.h"
#include "pkg/http/client.h"
#include "pkg/kube/reflector_state.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metrics.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

namespace podkeeper::kube {

Reflector::Reflector(base::World& world, http::Client& client, telemetry::Metrics& metrics,
                     MirrorSink& sink, ReflectorOptions options)
    : state_(std::make_unique<State>(world, client, metrics, sink, std::move(options))) {}
Reflector::~Reflector() = default;

base::Task<void> Reflector::run() { return state_->run(); }
void Reflector::relist(std::string reason) {
  state_->share_doubt(reason);
  state_->doubt.raise(std::move(reason));
}
bool Reflector::synced() const noexcept { return state_->synced.load(); }
bool Reflector::quarantined(std::string_view key) const { return state_->quarantine.holds(key); }

bool Reflector::watching() const noexcept { return state_->watching.load(); }
std::string Reflector::last_error() const {
  base::Lock lock(state_->mutex);
  return state_->last_error;
}

void Reflector::State::share_doubt(const std::string& reason) {
  if (options.shared_doubt != nullptr) options.shared_doubt->raise(doubt, reason);
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

base::Task<void> Reflector::State::wait_after(base::Error error, base::MonotonicTime latest) {
  base::Duration wait = std::min<base::Duration>(backoff.next(), latest - world.clock().now());
  if (error.retry_after.has_value() && error.retry_after->count() > 0) {
    wait = std::min<base::Duration>(*error.retry_after, kRetryAfterMax);
  }
  if (!options.may_be_absent || error.code != base::ErrorCode::kNotFound) {
    telemetry::log_warn("upstream failed, trying again",
                        {{"resource", name}, {"err", error}, {"waitSeconds", seconds_of(wait)}});
  } else if (!std::exchange(told_absent, true)) {
    telemetry::log_info("upstream does not know the resource, asking again from time to time",
                        {{"resource", name}});
  }
  auto sleep = world.clock().sleep_for(wait);
  co_await std::move(sleep);
}

}  // namespace podkeeper::kube
