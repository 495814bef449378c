#include "daemon/healthcheck.h"

#include "pkg/http/client.h"
#include "pkg/telemetry/metrics.h"

#include <iostream>
#include <string>

namespace podkeeper::daemon {
namespace {

constexpr base::Duration kLimit = std::chrono::seconds(5);
constexpr std::size_t kAnswerBytesMax = 64 << 10;

base::Task<void> ask(base::World& world, base::Endpoint endpoint, base::Result<void>& outcome) {
  telemetry::Metrics metrics;
  http::Client client(
      world, metrics,
      http::ClientOptions{.endpoint = endpoint, .user_agent = "podkeeperd healthcheck"});
  http::ClientRequest request;
  request.target = "/readyz";
  auto sending = client.send(std::move(request), world.clock().now() + kLimit);
  auto response = co_await std::move(sending);
  if (!response) {
    outcome = response.error();
    co_return;
  }
  auto reading = response->read_all(kAnswerBytesMax);
  const auto body = co_await std::move(reading);
  if (response->status == 200) co_return;
  outcome = base::Error{base::ErrorCode::kUnavailable,
                        "not ready: " + (body ? *body : body.error().message)};
}

}  // namespace

int healthcheck(runtime::RealWorld& world, const settings::Settings& settings) {
  if (settings.health_probe_bind_address == "0") {
    std::cerr << "podkeeperd: --health-probe-bind-address is 0, so there is nothing to ask; give "
                 "its address\n";
    return 1;
  }
  auto endpoint = base::parse_endpoint(settings.health_probe_bind_address);
  if (endpoint && (endpoint->host == "::" || endpoint->host == "0.0.0.0"))
    endpoint->host = "127.0.0.1";
  base::Result<void> outcome;
  if (endpoint) world.run_task([&] { return ask(world, *endpoint, outcome); });
  if (endpoint && outcome) return 0;
  std::cerr << "podkeeperd: " << (endpoint ? outcome.error().message : endpoint.error().message)
            << std::endl;
  return 1;
}

}  // namespace podkeeper::daemon
