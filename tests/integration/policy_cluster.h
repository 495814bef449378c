#pragma once

#include "pkg/controllers/policy_controller.h"
#include "pkg/http/client.h"
#include "pkg/kube/object_client.h"
#include "pkg/kube/reflector.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/simkube/simkube.h"
#include "pkg/state/store.h"
#include "pkg/telemetry/metrics.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper {

using Json = nlohmann::json;
using namespace nlohmann::literals;  // NOLINT(google-build-using-namespace): _json_pointer

constexpr auto kApplied = std::chrono::seconds(2);  ///< a policy is applied within this

/// A cluster in a simulated world, and a client of it.
class PolicyCluster {
 public:
  explicit PolicyCluster(bool validate = true, const std::string& fault_script = "[]") : world(1) {
    simkube::SimKubeOptions options;
    options.nodes = 2;
    options.pods = 20;
    options.churn = 0;
    options.validate_crds = validate;
    options.faults = simkube::parse_fault_script(fault_script).value();
    cluster = std::make_unique<simkube::SimKube>(world, serving, metrics, std::move(options));
    const auto bound = cluster->start();
    if (!bound) throw std::runtime_error(bound.error().message);
    endpoint = *bound;
    client = std::make_unique<http::Client>(
        world, metrics, http::ClientOptions{.endpoint = endpoint, .user_agent = "test"});
    objects = std::make_unique<kube::ObjectClient>(world, *client);
  }
  ~PolicyCluster() { end(serving); }
  void end(runtime::TaskGroup& group) {
    group.stop();
    world.run_task([&group]() -> base::Task<void> {
      auto joined = group.join();
      co_await std::move(joined);
    });
  }

  base::Result<std::string> create(const std::string& body) {
    base::Result<std::string> answer = std::string();
    world.run_task([&]() -> base::Task<void> {
      auto creating = objects->create(kube::concurrent_map_policies(), "", body);
      answer = co_await std::move(creating);
    });
    return answer;
  }
  base::Result<std::string> create(const std::string& name, const std::string& spec) {
    return create(R"({"apiVersion":"podkeeper.dev/v1alpha1","kind":"ConcurrentMapPolicy",)"
                  R"("metadata":{"name":")" +
                  name + R"("},"spec":)" + spec + "}");
  }
  void patch(const std::string& name, const std::string& spec) {
    world.run_task([&]() -> base::Task<void> {
      auto patching = objects->merge_patch(kube::concurrent_map_policies(), {{}, name}, "",
                                           R"({"spec":)" + spec + "}");
      const auto patched = co_await std::move(patching);
      EXPECT_TRUE(patched) << patched.error().message;
    });
  }
  /// Somebody else applies the status, with force.
  void take_status(const std::string& name, const std::string& manager, const std::string& status) {
    world.run_task([&]() -> base::Task<void> {
      auto applying = objects->apply(
          kube::concurrent_map_policies(), {{}, name}, "status",
          R"({"apiVersion":"podkeeper.dev/v1alpha1","kind":"ConcurrentMapPolicy","status":)" +
              status + "}",
          kube::ApplyOptions{.field_manager = manager, .force = true});
      const auto applied = co_await std::move(applying);
      EXPECT_TRUE(applied) << applied.error().message;
    });
  }
  Json get(const std::string& path) {
    std::string body;
    world.run_task([&]() -> base::Task<void> {
      http::ClientRequest request;
      request.target = path;
      auto getting =
          client->send(std::move(request), world.clock().now() + std::chrono::seconds(5));
      auto answer = co_await std::move(getting);
      if (!answer || answer->status != 200) co_return;
      auto reading = answer->read_all(16 << 20);
      auto text = co_await std::move(reading);
      if (text) body = *std::move(text);
    });
    return Json::parse(body, nullptr, false);
  }
  Json policy(const std::string& name) {
    return get(kube::concurrent_map_policies().path("", name));
  }
  void remove(const std::string& name) {
    world.run_task([&]() -> base::Task<void> {
      auto removing = objects->remove(kube::concurrent_map_policies(), {{}, name});
      const auto removed = co_await std::move(removing);
      EXPECT_TRUE(removed) << removed.error().message;
    });
  }
  Json condition(const std::string& name, const std::string& type) {
    const Json object = policy(name);
    for (const Json& condition : object.value("/status/conditions"_json_pointer, Json::array())) {
      if (condition.at("type") == type) return condition;
    }
    return Json::object();
  }

  runtime::SimulatedWorld world;
  runtime::TaskRegistry registry{world.clock()};
  telemetry::Metrics metrics;
  runtime::TaskGroup serving{world, registry, "serving"};
  std::unique_ptr<simkube::SimKube> cluster;
  base::Endpoint endpoint;
  std::unique_ptr<http::Client> client;
  std::unique_ptr<kube::ObjectClient> objects;
};

/// A replica's mirrors of pods and policies, and the policy controller over them.
class PolicyReplica {
 public:
  PolicyReplica(
      PolicyCluster& cluster, std::string instance,
      std::function<bool()> leads = [] { return true; })
      : cluster_(cluster), instance_(std::move(instance)), leads_(std::move(leads)) {
    start();
  }
  ~PolicyReplica() { stop(); }
  void start() {
    running = std::make_unique<runtime::TaskGroup>(cluster_.world, cluster_.registry, instance_);
    pods = follow(kube::pods());
    policies = follow(kube::concurrent_map_policies());
    access::LoopbackAuthorizer authorizer;
    const auto& resource = kube::concurrent_map_policies();
    controllers::PolicyControllerOptions options;
    options.instance = instance_;
    options.leads = leads_;
    options.metrics = &metrics;
    controller = std::make_unique<controllers::PolicyController>(
        cluster_.world, state::Reader(*policies),
        authorizer.read("", {resource.plural_group(), ""}).value(), *cluster_.objects,
        std::vector<policy::PartitionedStore*>{&pods->partitions()}, std::move(options));
    if (!controller->start(*running)) throw std::runtime_error("the controller did not start");
    cluster_.world.run_for(std::chrono::seconds(5));
  }
  void leave() {
    cluster_.world.run_task([&]() -> base::Task<void> {
      auto leaving = controller->leave(cluster_.world.clock().now() + std::chrono::seconds(2));
      co_await std::move(leaving);
    });
  }
  void stop() {
    cluster_.end(*running);
    controller.reset();
    reflectors.clear();
  }
  std::unique_ptr<state::Store> follow(const kube::Resource& resource) {
    auto store = std::make_unique<state::Store>(
        cluster_.world.clock(), state::StoreOptions{.resource = resource, .map = {}, .log = {}});
    kube::ReflectorOptions options;
    options.resource = resource;
    reflectors.push_back(std::make_unique<kube::Reflector>(cluster_.world, *cluster_.client,
                                                           metrics, *store, options));
    const auto spawned =
        running->spawn("reflector", base::Handler::kEvent,
                       [reflector = reflectors.back().get()] { return reflector->run(); });
    if (!spawned) throw std::runtime_error(spawned.error().message);
    return store;
  }
  /// "batch:Mutex default:Sharded": what runs.
  [[nodiscard]] std::string partitions() const {
    std::string out;
    for (const auto& report : pods->partitions().report()) {
      out += (out.empty() ? "" : " ") + (report.policy.empty() ? "default" : report.policy) + ":" +
             cmap::to_string(report.map.strategy);
    }
    return out;
  }

  telemetry::Metrics metrics;
  std::unique_ptr<runtime::TaskGroup> running;
  std::unique_ptr<state::Store> pods, policies;
  std::vector<std::unique_ptr<kube::Reflector>> reflectors;
  std::unique_ptr<controllers::PolicyController> controller;

 private:
  PolicyCluster& cluster_;
  const std::string instance_;
  const std::function<bool()> leads_;
};

}  // namespace podkeeper
