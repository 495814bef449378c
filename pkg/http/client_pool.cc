#include "pkg/http/client_pool.h"

#include "pkg/telemetry/metric_names.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace podkeeper::http {
namespace {

constexpr std::array<std::string_view, 7> kMethodNames = {"GET",    "POST", "PUT",  "PATCH",
                                                          "DELETE", "HEAD", "other"};

std::size_t index_of(std::string_view method) noexcept {
  const auto found = std::ranges::find(kMethodNames, method);
  return found == kMethodNames.end() ? kMethodNames.size() - 1
                                     : static_cast<std::size_t>(found - kMethodNames.begin());
}

/// Closes a connection where its operations run: its timer may be firing there now.
void close_on_its_executor(std::unique_ptr<ClientConnection> connection) {
  const auto executor = connection->executor;
  boost::asio::post(executor,
                    [connection = std::move(connection)]() mutable { connection.reset(); });
}

}  // namespace

ClientMetrics::ClientMetrics(telemetry::Metrics& metrics, std::string host)
    : metrics_(metrics), host_(std::move(host)) {
  for (std::size_t i = 0; i < kMethods; ++i) {
    durations_[i] =
        &metrics.histogram(telemetry::kRestClientRequestDuration, {kMethodNames[i], host_});
  }
}

telemetry::Counter& ClientMetrics::counter(std::size_t method, int status) {
  const auto code = static_cast<std::size_t>(std::clamp(status, 0, static_cast<int>(kCodes) - 1));
  auto& place = counters_[method][code];
  telemetry::Counter* found = place.load(std::memory_order_acquire);
  if (found == nullptr) {
    const std::string label = code == 0 ? "<error>" : std::to_string(code);
    found = &metrics_.counter(telemetry::kRestClientRequests, {label, kMethodNames[method], host_});
    place.store(found, std::memory_order_release);
  }
  return *found;
}

void ClientMetrics::count(std::string_view method, int status, base::Duration duration) {
  const std::size_t index = index_of(method);
  counter(index, status).Increment();
  durations_[index]->Observe(std::chrono::duration<double>(duration).count());
}

void ClientMetrics::throttled(std::string_view method, base::Duration duration) {
  metrics_
      .histogram(telemetry::kRestClientRateLimiterDuration, {kMethodNames[index_of(method)], host_})
      .Observe(std::chrono::duration<double>(duration).count());
}

telemetry::Histogram& ClientMetrics::sizes(std::string_view method) {
  return metrics_.histogram(telemetry::kRestClientResponseSize,
                            {kMethodNames[index_of(method)], host_});
}

void ClientMetrics::retried(std::string_view method, int status) {
  metrics_
      .counter(telemetry::kRestClientRequestRetries,
               {std::to_string(status), kMethodNames[index_of(method)], host_})
      .Increment();
}

ClientPool::ClientPool(base::World& its_world, telemetry::Metrics& its_metrics,
                       ClientOptions its_options)
    : world(its_world),
      options(std::move(its_options)),
      host(base::to_string(options.endpoint)),
      metrics(its_metrics, host),
      limit(its_world.clock(), options.requests_per_second, options.burst) {}

ClientPool::~ClientPool() {
  for (auto& connection : idle_) close_on_its_executor(std::move(connection));
}

std::unique_ptr<ClientConnection> ClientPool::take(const base::Executor& executor) {
  std::vector<std::unique_ptr<ClientConnection>> stale;
  std::unique_ptr<ClientConnection> found;
  const auto oldest = world.clock().now() - kIdleMax;
  const std::uint64_t generation = options.identity ? options.identity->generation() : 0;
  {
    base::Lock lock(mutex_);
    const auto usable = [&](const auto& connection) {
      return connection->idle_since >= oldest && connection->generation == generation;
    };
    for (auto& connection : idle_) {
      if (!usable(connection)) stale.push_back(std::move(connection));
    }
    std::erase(idle_, nullptr);
    const auto mine = std::find_if(idle_.rbegin(), idle_.rend(), [&](const auto& connection) {
      return connection->executor == executor;
    });
    if (mine != idle_.rend()) {
      found = std::move(*mine);
      idle_.erase(std::next(mine).base());
    }
  }
  for (auto& connection : stale) close_on_its_executor(std::move(connection));
  return found;
}

void ClientPool::keep(std::unique_ptr<ClientConnection> connection) {
  connection->idle_since = world.clock().now();
  connection->stream->set_deadline(base::MonotonicTime::max());
  connection->buffer.shrink();
  std::unique_ptr<ClientConnection> surplus;
  {
    base::Lock lock(mutex_);
    idle_.push_back(std::move(connection));
    if (idle_.size() > options.idle_connections_max) {
      surplus = std::move(idle_.front());
      idle_.erase(idle_.begin());
    }
  }
  if (surplus) close_on_its_executor(std::move(surplus));
}

}  // namespace podkeeper::http
