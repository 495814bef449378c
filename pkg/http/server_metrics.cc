#include "pkg/http/server_metrics.h"

#include "pkg/telemetry/metric_names.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace podkeeper::http {
namespace {

constexpr std::size_t kVerbs = static_cast<std::size_t>(Verb::kOther) + 1;
constexpr std::size_t kScopes = static_cast<std::size_t>(Scope::kResource) + 1;
/// Statuses that have a series of their own; the others share the last.
constexpr std::array kStatuses = {200, 201, 202, 204, 301, 302, 304, 307, 400, 401, 403, 404, 405,
                                  406, 409, 410, 413, 415, 422, 429, 500, 501, 502, 503, 504, 0};

std::size_t index_of_status(int status) noexcept {
  const auto found = std::ranges::find(kStatuses, status);
  return found == kStatuses.end() ? kStatuses.size() - 1
                                  : static_cast<std::size_t>(found - kStatuses.begin());
}

std::string label_of_status(std::size_t index) {
  return kStatuses[index] == 0 ? "other" : std::to_string(kStatuses[index]);
}

/// Publishes `made` in an empty place; whoever was first wins, and the others use what is there.
template <class T>
T& publish(std::atomic<T*>& place, std::unique_ptr<T> made) noexcept {
  T* expected = nullptr;
  if (place.compare_exchange_strong(expected, made.get(), std::memory_order_acq_rel)) {
    return *made.release();
  }
  return *expected;
}

}  // namespace

const char* to_string(Phase phase) noexcept {
  switch (phase) {
    case Phase::kHeader:
      return "header";
    case Phase::kBody:
      return "body";
    case Phase::kIdle:
      return "idle";
    case Phase::kWrite:
      return "write";
    case Phase::kStream:
      return "stream";
  }
  return "header";
}

/// The metrics of one verb on one resource in one scope.
struct ServerMetrics::Series {
  telemetry::Histogram* duration = nullptr;
  telemetry::Histogram* bytes = nullptr;
  std::array<std::atomic<telemetry::Counter*>, kStatuses.size()> codes{};
};

struct ServerMetrics::Resource {
  explicit Resource(std::string_view resource_name) : name(resource_name) {}
  ~Resource() {
    for (auto& place : series) delete place.load(std::memory_order_relaxed);
  }
  const std::string name;
  std::array<std::atomic<Series*>, kVerbs * kScopes> series{};
};

ServerMetrics::ServerMetrics(telemetry::Metrics& metrics)
    : connections(metrics.gauge(telemetry::kHttpConnections)),
      requests_inflight(metrics.gauge(telemetry::kHttpInflightRequests, {"request"})),
      streams_inflight(metrics.gauge(telemetry::kHttpInflightRequests, {"stream"})),
      accept_errors(metrics.counter(telemetry::kHttpAcceptErrors)),
      metrics_(metrics),
      other_(std::make_unique<Resource>("other")) {
  for (std::size_t i = 0; i < kRejections; ++i) {
    rejected_[i] =
        &metrics.counter(telemetry::kHttpRejected, {to_string(static_cast<Rejection>(i))});
  }
  for (std::size_t i = 0; i < kPhases; ++i) {
    timeouts_[i] = &metrics.counter(telemetry::kHttpTimeouts, {to_string(static_cast<Phase>(i))});
  }
}

ServerMetrics::~ServerMetrics() {
  for (auto& place : resources_) delete place.load(std::memory_order_relaxed);
}

void ServerMetrics::reject(Rejection rejection) {
  rejected_[static_cast<std::size_t>(rejection)]->Increment();
  if (rejection == Rejection::kHeaderTimeout) time_out(Phase::kHeader);
  if (rejection == Rejection::kBodyTimeout) time_out(Phase::kBody);
}

ServerMetrics::Resource& ServerMetrics::resource(std::string_view name) {
  for (auto& place : resources_) {
    Resource* found = place.load(std::memory_order_acquire);
    if (found == nullptr) found = &publish(place, std::make_unique<Resource>(name));
    if (found->name == name) return *found;
  }
  return *other_;
}

ServerMetrics::Series& ServerMetrics::series(const Response& response) {
  Resource& owner = resource(response.resource);
  auto& place = owner.series[static_cast<std::size_t>(response.verb) * kScopes +
                             static_cast<std::size_t>(response.scope)];
  if (Series* found = place.load(std::memory_order_acquire)) return *found;
  const std::string_view verb = to_string(response.verb);
  const std::string_view scope = to_string(response.scope);
  auto made = std::make_unique<Series>();
  made->duration = &metrics_.histogram(telemetry::kHttpRequestDuration, {verb, owner.name, scope});
  made->bytes = &metrics_.histogram(telemetry::kHttpResponseBytes, {verb, owner.name, scope});
  return publish(place, std::move(made));
}

void ServerMetrics::count(const Response& response) {
  const std::size_t index = index_of_status(response.status);
  auto& place = series(response).codes[index];
  telemetry::Counter* counter = place.load(std::memory_order_acquire);
  if (counter == nullptr) {
    counter = &metrics_.counter(telemetry::kHttpRequests,
                                {to_string(response.verb), resource(response.resource).name,
                                 to_string(response.scope), label_of_status(index)});
    place.store(counter, std::memory_order_release);
  }
  counter->Increment();
}

void ServerMetrics::observe(const Response& response, base::Duration duration, std::size_t bytes) {
  Series& owner = series(response);
  owner.duration->Observe(std::chrono::duration<double>(duration).count());
  owner.bytes->Observe(static_cast<double>(bytes));
}

}  // namespace podkeeper::http
