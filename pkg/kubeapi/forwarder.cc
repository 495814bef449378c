#include "pkg/kubeapi/forwarder.h"

#include "pkg/kube/percent_encoding.h"
#include "pkg/kube/status.h"
#include "pkg/kubeapi/read_demand.h"
#include "pkg/telemetry/metric_names.h"

#include <algorithm>
#include <string>
#include <utility>

namespace podkeeper::kubeapi {
namespace {

/// The target as upstream is to see it: without what only podkeeper knows.
std::string target_of(const http::Target& target) {
  std::string text;
  for (const std::string& segment : target.segments) text += "/" + kube::percent_encoded(segment);
  char separator = '?';
  for (const auto& [name, value] : target.query) {
    if (std::ranges::find(kDemandParameters, name) != kDemandParameters.end()) continue;
    text += std::exchange(separator, '&') + kube::percent_encoded(name) + "=" +
            kube::percent_encoded(value);
  }
  return text;
}

/// What upstream says of podkeeper itself (its credentials, its share of requests) or of its own
/// trouble is no answer to the client's question.
bool answers(int status) noexcept {
  return status < 500 && status != 401 && status != 403 && status != 429;
}

/// Counts itself in for its lifetime.
class Place {
 public:
  Place(std::atomic<std::size_t>& taken, std::size_t max) : taken_(taken) {
    free_ = taken_.fetch_add(1, std::memory_order_relaxed) < max;
  }
  ~Place() { taken_.fetch_sub(1, std::memory_order_relaxed); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  [[nodiscard]] bool free() const noexcept { return free_; }

 private:
  std::atomic<std::size_t>& taken_;
  bool free_;
};

}  // namespace

Forwarder::Forwarder(base::World& world, http::Client& client, telemetry::Metrics& metrics,
                     ForwarderOptions options)
    : world_(world),
      client_(client),
      options_(options),
      answered_(metrics.counter(telemetry::kConsistencyForwards, {"answered"})),
      failed_(metrics.counter(telemetry::kConsistencyForwards, {"failed"})),
      refused_(metrics.counter(telemetry::kConsistencyForwards, {"refused"})) {}

base::Task<base::Result<http::Response>> Forwarder::forward(http::Request request) {
  const Place place(inflight_, options_.inflight_max);
  if (!place.free()) {
    refused_.Increment();
    co_return base::Error{base::ErrorCode::kTooManyRequests,
                          "as many reads as may are being forwarded to upstream"};
  }
  http::ClientRequest asked;
  asked.target = target_of(request.target);
  asked.headers.add("Accept",
                    std::string(request.headers.get("Accept").value_or("application/json")));
  auto asking = ask(std::move(asked));
  auto answer = co_await std::move(asking);
  (answer ? answered_ : failed_).Increment();
  co_return answer;
}

base::Task<base::Result<http::Response>> Forwarder::ask(http::ClientRequest request) {
  auto sending = client_.send(std::move(request), world_.clock().now() + options_.timeout);
  auto response = co_await std::move(sending);
  if (!response) co_return std::move(response).error();
  auto reading = response->read_all(options_.body_bytes_max);
  auto body = co_await std::move(reading);
  if (!body) co_return std::move(body).error();
  if (!answers(response->status)) {
    co_return kube::error_from_response(response->status, *body,
                                        response->headers.get("Retry-After"));
  }
  http::Response answer;
  answer.status = response->status;
  answer.content_type =
      std::string(response->headers.get("Content-Type").value_or("application/json"));
  answer.body = *std::move(body);
  co_return answer;
}

}  // namespace podkeeper::kubeapi
