#pragma once

#include "pkg/http/client.h"
#include "pkg/kube/reflector.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/simkube/simkube.h"
#include "pkg/state/store.h"
#include "pkg/telemetry/metric_names.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace podkeeper {

/// A mirror of simkube's pods in one simulated world, with a fault script between the two. Nothing
/// changes upstream but what a test changes, unless `options` say so.
class Faulted {
 public:
  explicit Faulted(const std::string& script, simkube::SimKubeOptions options = quiet())
      : world(1), options_(std::move(options)) {
    options_.faults = simkube::parse_fault_script(script).value();
    start_upstream();
    client = std::make_unique<http::Client>(
        world, metrics, http::ClientOptions{.endpoint = options_.listen, .user_agent = "test"});
    reflector = std::make_unique<kube::Reflector>(
        world, *client, metrics, mirror,
        kube::ReflectorOptions{.resource = kube::pods(), .page_size = 20});
    const auto spawned =
        mirroring.spawn("reflector", base::Handler::kEvent, [this] { return reflector->run(); });
    EXPECT_TRUE(spawned);
  }
  ~Faulted() {
    end(mirroring);
    stop_upstream();
  }
  Faulted(const Faulted&) = delete;
  Faulted& operator=(const Faulted&) = delete;

  static simkube::SimKubeOptions quiet() {
    simkube::SimKubeOptions options;
    options.nodes = 4;
    options.pods = 40;
    options.churn = 0;
    return options;
  }

  /// The API server goes, with its listener: connections are refused.
  void stop_upstream() {
    if (!serving) return;
    end(*serving);
    cluster.reset();
    serving.reset();
  }
  /// It comes back, as it was at its first start.
  void start_upstream() {
    serving.emplace(world, registry, "serving");
    cluster = std::make_unique<simkube::SimKube>(world, *serving, metrics, options_);
    const auto bound = cluster->start();
    if (!bound) throw std::runtime_error(bound.error().message);
    options_.listen = *bound;
  }
  /// What comes after was not asked for by the script.
  void forget_script() { options_.faults.clear(); }

  using Content = std::map<std::string, std::string>;
  static Content content_of(const state::Reader& reader) {
    access::LoopbackAuthorizer authorizer;
    const auto allowed = authorizer.read("", {reader.resource().plural_group(), ""}).value();
    Content content;
    const auto list = reader.list(allowed, {}).value();
    for (const auto& record : list.records) {
      content[record->object().key_text] = record->object().body;
    }
    return content;
  }
  [[nodiscard]] Content held() const { return content_of(state::Reader(mirror)); }
  [[nodiscard]] bool equal() const {
    return held() == content_of(cluster->cluster().reader(kube::pods()));
  }
  /// Runs until the mirror is upstream's equal and a watch is up; how long that took, none where it
  /// took an hour.
  std::optional<std::chrono::duration<double>> recovery() {
    const auto began = world.clock().now();
    const auto well = [this] { return reflector->watching() && equal(); };
    if (!world.run_until(well, std::chrono::hours(1))) return std::nullopt;
    return world.clock().now() - began;
  }
  /// Changes a pod upstream, in a way that nothing else does; its key.
  kube::ObjectKey write(int number) {
    auto& pods = cluster->cluster();
    const auto key = pods.keys(kube::pods(), "").at(0);
    const auto patch =
        simkube::Json{{"metadata", {{"annotations", {{"n", std::to_string(number)}}}}}};
    const auto written = pods.patch(kube::pods(), key, patch, false, {});
    EXPECT_TRUE(written.has_value());
    return key;
  }
  [[nodiscard]] base::Duration age() const { return state::Reader(mirror).freshness().age; }
  [[nodiscard]] double lists(const char* result) {
    return metrics.counter(telemetry::kReflectorLists, {"pods", result}).Value();
  }
  [[nodiscard]] double relists() {
    return metrics.counter(telemetry::kReflectorRelists, {"pods", "success"}).Value();
  }
  [[nodiscard]] double watches(const char* result) {
    return metrics.counter(telemetry::kReflectorWatches, {"pods", result}).Value();
  }
  [[nodiscard]] double events(const char* type) {
    return metrics.counter(telemetry::kReflectorEvents, {"pods", type}).Value();
  }
  /// How often the script did a fault.
  [[nodiscard]] double done(const char* fault) {
    return metrics.counter(telemetry::kSimkubeFaults, {fault}).Value();
  }

  runtime::SimulatedWorld world;
  runtime::TaskRegistry registry{world.clock()};
  telemetry::Metrics metrics;
  std::optional<runtime::TaskGroup> serving;
  runtime::TaskGroup mirroring{world, registry, "mirroring"};
  state::Store mirror{world.clock(),
                      state::StoreOptions{.resource = kube::pods(), .map = {}, .log = {}}};
  std::unique_ptr<simkube::SimKube> cluster;
  std::unique_ptr<http::Client> client;
  std::unique_ptr<kube::Reflector> reflector;

 private:
  void end(runtime::TaskGroup& group) {
    group.stop();
    world.run_task([&group]() -> base::Task<void> {
      auto joined = group.join();
      co_await std::move(joined);
    });
  }
  simkube::SimKubeOptions options_;
};

}  // namespace podkeeper
