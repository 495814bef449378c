#include "pkg/api/health_api.h"

#include "pkg/telemetry/log.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::api {
namespace {

using base::Task;
using http::Request;
using http::Response;

constexpr base::Duration kSayAgainAfter = std::chrono::seconds(10);

/// One endpoint: its checks, and how often the log hears of their failures.
class Endpoint {
 public:
  Endpoint(std::shared_ptr<const HealthChecks> owner, const health::Checks& checks,
           base::Clock& clock)
      : owner_(std::move(owner)), checks_(checks), limiter_(clock, kSayAgainAfter, 4) {}

  Response answer(const Request& request) {
    if (request.method != "GET") {
      auto refusal = Response::text(405, "405 method not allowed\n");
      refusal.headers.add("Allow", "GET");
      return refusal;
    }
    const auto& segments = request.target.segments;
    if (segments.size() > 2) return Response::text(404, "404 page not found\n");
    const bool verbose = request.target.query_value("verbose").has_value();
    const auto exclude = request.target.query_values("exclude");
    const health::Report report =
        segments.size() == 2 ? checks_.run_one(segments[1]) : checks_.run(verbose, exclude);
    say(report);
    auto response = Response::text(report.status, report.body);
    response.verb = http::Verb::kGet;
    return response;
  }

 private:
  void say(const health::Report& report) {
    for (const auto& [check, reason] : report.failures) {
      const auto suppressed = limiter_.admit();
      if (!suppressed) continue;
      telemetry::log_warn("health check failed", {{"endpoint", checks_.endpoint()},
                                                  {"check", check},
                                                  {"reason", reason},
                                                  {"suppressed", *suppressed}});
    }
  }

  std::shared_ptr<const HealthChecks> owner_;
  const health::Checks& checks_;
  telemetry::RateLimiter limiter_;
};

}  // namespace

void add_health_routes(http::Router& router, std::shared_ptr<const HealthChecks> checks,
                       base::Clock& clock) {
  for (const health::Checks* one : {&checks->healthz, &checks->livez, &checks->readyz}) {
    auto endpoint = std::make_shared<Endpoint>(checks, *one, clock);
    router.prefix("/" + one->endpoint(), [endpoint](Request request) -> Task<Response> {
      co_return endpoint->answer(request);
    });
  }
}

}  // namespace podkeeper::api
