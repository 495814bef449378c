#pragma once

#include "pkg/simkube/cluster.h"
#include "pkg/simkube/population.h"
#include "pkg/simkube/writes.h"

#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/http/support/whole_text.h"
#include "tests/kubeapi/harness.h"

namespace podkeeper::simkube {

/// simkube's API over the recorded pods and nodes.
class Simulated {
 public:
  explicit Simulated(bool validate_custom = true)
      : world(1),
        cluster(world, {.seed = 7, .log = {}, .validate_custom = validate_custom}),
        api(world, authorizer, metrics, {}, options()) {
    serve_offer();
    load(kube::pods(), "019");
    load(kube::nodes(), "021");
    populate_namespaces(cluster, {"shop"});
  }
  kubeapi::ReadApiOptions options() {
    kubeapi::ReadApiOptions with;
    with.writes = make_write_handler(cluster, [this] { serve_offer(); });
    return with;
  }
  void serve_offer() {
    const auto offer = cluster.offer();
    api.serve(offer.served, offer.generation);
  }
  void load(const kube::Resource& resource, const std::string& number) {
    auto list = kube::decode_list(resource, kubeapi::exchange(number).body).value();
    cluster.load(resource, std::move(list.items), list.revision);
  }
  http::Response ask(http::Request request) {
    http::Response response;
    const auto handler = api.handler();
    world.run_task([&]() -> base::Task<void> {
      auto answer = handler(std::move(request));
      response = co_await std::move(answer);
    });
    return response;
  }
  /// A merge patch.
  http::Response patch(const std::string& target, const std::string& body) {
    return ask("PATCH", target, body, "application/merge-patch+json");
  }
  http::Response ask(const std::string& method, const std::string& target,
                     const std::string& body = "", const std::string& type = "application/json") {
    http::Request request = kubeapi::get(target);
    request.method = method;
    request.headers.add("Content-Type", type);
    request.body = body;
    return ask(std::move(request));
  }
  nlohmann::ordered_json json(const http::Response& response) {
    return nlohmann::ordered_json::parse(http::whole_text(response));
  }
  nlohmann::ordered_json get(const std::string& target) { return json(ask("GET", target)); }

  runtime::SimulatedWorld world;
  access::LoopbackAuthorizer authorizer;
  telemetry::Metrics metrics;
  Cluster cluster;
  kubeapi::ReadApi api;
};

}  // namespace podkeeper::simkube
