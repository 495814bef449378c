// A thousand deliberate panics in each handler kind while clients are served: the process lives, no
// other request fails, every panic is counted and every report names its throw site.

#include <atomic>
#include <iostream>
#include <thread>
#include <vector>

#include "tests/faults/record_line.h"
#include "tests/proofs/support/cluster.h"
#include "tests/proofs/support/raw_http.h"

namespace podkeeper::proofs {
namespace {

using nlohmann::ordered_json;

constexpr const char* kKinds[] = {"http", "stream", "reconcile", "event", "timer", "thread"};
constexpr const char* kFaults[] = {"exception", "invariant", "misuse"};

/// Clients that mean no harm: each asks in turn for a list, a summary and the metrics, and counts
/// what was not 200.
class GoodClients {
 public:
  explicit GoodClients(std::uint16_t port) {
    for (int i = 0; i < 3; ++i) {
      threads_.emplace_back([this, port, i] { run(port, static_cast<std::size_t>(i)); });
    }
  }
  ~GoodClients() { stop(); }
  void stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  [[nodiscard]] std::uint64_t requests() const { return requests_; }
  [[nodiscard]] std::uint64_t failures() const { return failures_; }

 private:
  void run(std::uint16_t port, std::size_t turn) {
    static const std::string paths[] = {"/api/v1/pods?limit=20", "/state/v1/summary", "/metrics"};
    for (; !stopping_; ++turn) {
      const RawResponse response = raw_request(port, paths[turn % 3]);
      ++requests_;
      if (response.status != 200 || !response.complete || response.body.empty()) ++failures_;
    }
  }
  std::vector<std::thread> threads_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> requests_{0};
  std::atomic<std::uint64_t> failures_{0};
};

void fire(std::uint16_t port, const std::string& kind, int n) {
  const std::string target = "/debug/panic?handler=" + kind + "&kind=" + kFaults[n % 3];
  const RawResponse response = raw_request(port, target, "POST");
  if (kind == "http") {
    require(response.status == 500,
            "a panic in an http handler was answered " + std::to_string(response.status));
  } else if (kind == "stream") {
    require(response.status == 200 && !response.complete,
            "a panic in a stream ended it as if it were complete");
  } else {
    require(response.status == 202,
            "POST " + target + " was answered " + std::to_string(response.status));
  }
}

/// Every report in the ring has the throwing function among its innermost frames.
std::size_t check_reports(std::uint16_t port) {
  const auto answer = ordered_json::parse(raw_request(port, "/debug/panics").body);
  for (const auto& report : answer.at("panics")) {
    const auto& stack = report.at("stack");
    bool found = false;
    for (std::size_t i = 0; i < stack.size() && i < 4; ++i) {
      found = found || stack[i].get<std::string>().find("api::(anonymous namespace)::panic(") !=
                           std::string::npos;
    }
    require(found, "a report lacks its throw site: " + report.dump());
  }
  return answer.at("panics").size();
}

double panics_counted(std::uint16_t port, const std::string& kind) {
  const std::string metrics = raw_request(port, "/metrics").body;
  const std::string prefix = "podkeeper_panics_total{handler=\"" + kind + "\"";
  double sum = 0;
  for (std::size_t at = 0; (at = metrics.find(prefix, at)) != std::string::npos; ++at) {
    sum += std::stod(metrics.substr(metrics.find("} ", at) + 2));
  }
  return sum;
}

ordered_json prove(const Options& options) {
  const int count = options.small ? 60 : 1000;
  const Podkeeperd podkeeperd({"--standalone", "--enable-debug-panic", "--sim-pods=300",
                               "--sim-churn=50", "--sim-seed=" + std::to_string(options.seed)});
  podkeeperd.wait_ready(std::chrono::seconds(60));
  const std::uint16_t port = podkeeperd.api_port;
  GoodClients good(port);
  std::size_t reports = 0;
  for (int n = 0; n < count; ++n) {
    for (const char* kind : kKinds) fire(port, kind, n);
    if (n % 10 == 9) reports += check_reports(port);
  }
  ordered_json figures;
  for (const char* kind : kKinds) {
    eventually(std::string(kind) + " panics counted", std::chrono::seconds(10),
               [&] { return panics_counted(port, kind) >= count; });
    require(panics_counted(port, kind) == count,
            std::string(kind) + " panics were counted more than once");
    figures["panics"][kind] = count;
  }
  good.stop();
  require(good.failures() == 0, std::to_string(good.failures()) + " other requests failed");
  require(raw_request(podkeeperd.health_port, "/readyz").status == 200,
          "not ready after the panics");
  figures["reportsWithThrowSite"] = reports;
  figures["otherRequests"] = good.requests();
  figures["otherRequestsFailed"] = good.failures();
  podkeeperd.stop();
  faults::write_record(
      {.row = 39,
       .outcome = "exceptions, failed invariants and misuse in each of six kinds of "
                  "handler, while others are served without one failure",
       .evidence = "podkeeper_panics_total{handler,kind}; /debug/panics",
       .recovery = {}},
      "scripts/prove panics", __FILE__, true);
  return figures;
}

}  // namespace
}  // namespace podkeeper::proofs

int main(int argc, char** argv) {
  return podkeeper::proofs::run_proof(argc, argv, podkeeper::proofs::prove);
}
