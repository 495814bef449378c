#include "pkg/controllers/policy_controller.h"
#include "pkg/http/client.h"
#include "pkg/kube/object_client.h"
#include "pkg/kube/reflector.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/simkube/simkube.h"
#include "pkg/state/store.h"
#include "pkg/telemetry/metric_names.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/policy/bad_policies.h"

namespace podkeeper {
namespace {

using Json = nlohmann::json;
using policy::testing::BadPolicy;
using namespace nlohmann::literals;  // NOLINT(google-build-using-namespace): _json_pointer
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kApplied = seconds(2);  ///< a policy is applied within this

/// A cluster, a replica's mirror of its pods, and the policy controller over it, in one simulated
/// world.
class Governed {
 public:
  explicit Governed(bool validate = true) : world(1) {
    simkube::SimKubeOptions options;
    options.nodes = 2;
    options.pods = 20;
    options.churn = 0;
    options.validate_crds = validate;
    cluster = std::make_unique<simkube::SimKube>(world, serving, metrics, std::move(options));
    const auto bound = cluster->start();
    if (!bound) throw std::runtime_error(bound.error().message);
    client = std::make_unique<http::Client>(
        world, metrics, http::ClientOptions{.endpoint = *bound, .user_agent = "test"});
    objects = std::make_unique<kube::ObjectClient>(world, *client);
    start();
  }
  ~Governed() {
    stop();
    end(serving);
  }
  void start() {
    running = std::make_unique<runtime::TaskGroup>(world, registry, "replica");
    pods = follow(kube::pods());
    policies = follow(kube::concurrent_map_policies());
    access::LoopbackAuthorizer authorizer;
    const auto& resource = kube::concurrent_map_policies();
    controller = std::make_unique<controllers::PolicyController>(
        world, state::Reader(*policies), authorizer.read("", {resource.plural_group(), ""}).value(),
        *objects, std::vector<policy::PartitionedStore*>{&pods->partitions()},
        controllers::PolicyControllerOptions{.instance = "replica-0", .metrics = &metrics});
    if (!controller->start(*running)) throw std::runtime_error("the controller did not start");
    world.run_for(seconds(5));
  }
  void stop() {
    end(*running);
    controller.reset();
    reflectors.clear();
  }
  void end(runtime::TaskGroup& group) {
    group.stop();
    world.run_task([&group]() -> base::Task<void> {
      auto joined = group.join();
      co_await std::move(joined);
    });
  }
  std::unique_ptr<state::Store> follow(const kube::Resource& resource) {
    auto store = std::make_unique<state::Store>(
        world.clock(), state::StoreOptions{.resource = resource, .map = {}, .log = {}});
    kube::ReflectorOptions options;
    options.resource = resource;
    reflectors.push_back(
        std::make_unique<kube::Reflector>(world, *client, metrics, *store, options));
    const auto spawned =
        running->spawn("reflector", base::Handler::kEvent,
                       [reflector = reflectors.back().get()] { return reflector->run(); });
    if (!spawned) throw std::runtime_error(spawned.error().message);
    return store;
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
  Json get(const std::string& name) {
    std::string body;
    world.run_task([&]() -> base::Task<void> {
      auto getting = objects->get(kube::concurrent_map_policies(), {{}, name});
      const auto got = co_await std::move(getting);
      if (got) body = *got;
    });
    return Json::parse(body, nullptr, false);
  }
  void remove(const std::string& name) {
    world.run_task([&]() -> base::Task<void> {
      auto removing = objects->remove(kube::concurrent_map_policies(), {{}, name});
      const auto removed = co_await std::move(removing);
      EXPECT_TRUE(removed) << removed.error().message;
    });
  }
  Json condition(const std::string& name, const std::string& type) {
    const Json object = get(name);
    for (const Json& condition : object.value("/status/conditions"_json_pointer, Json::array())) {
      if (condition.at("type") == type) return condition;
    }
    return Json::object();
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

  runtime::SimulatedWorld world;
  runtime::TaskRegistry registry{world.clock()};
  telemetry::Metrics metrics;
  runtime::TaskGroup serving{world, registry, "serving"};
  std::unique_ptr<runtime::TaskGroup> running;
  std::unique_ptr<simkube::SimKube> cluster;
  std::unique_ptr<http::Client> client;
  std::unique_ptr<kube::ObjectClient> objects;
  std::unique_ptr<state::Store> pods, policies;
  std::vector<std::unique_ptr<kube::Reflector>> reflectors;
  std::unique_ptr<controllers::PolicyController> controller;
};

TEST(PolicyInACluster, IsAppliedWithinTwoSecondsAndItsStatusSaysSo) {
  Governed replica;
  EXPECT_EQ(replica.partitions(), "default:Sharded");
  ASSERT_TRUE(replica.create("batch", R"({"strategy":"Mutex","target":{"resources":["pods"]}})"));
  replica.world.run_for(kApplied);
  EXPECT_EQ(replica.partitions(), "batch:Mutex default:Sharded");
  const Json status = replica.get("batch").at("status");
  EXPECT_EQ(status.at("activeStrategy"), "Mutex");
  EXPECT_EQ(status.at("observedGeneration"), 1);
  EXPECT_EQ(status.at("entries"), replica.pods->stats().objects);
  EXPECT_EQ(status.at("instances").at(0).at("instance"), "replica-0");
  for (const char* type : {"Accepted", "Applied", "Ready"}) {
    EXPECT_EQ(replica.condition("batch", type).at("status"), "True") << type;
  }
  EXPECT_TRUE(replica.controller->check_applied());
}

TEST(PolicyInACluster, DeletedItGivesItsObjectsBackToTheDefault) {
  Governed replica;
  ASSERT_TRUE(replica.create("batch", R"({"strategy":"Mutex"})"));
  replica.world.run_for(kApplied);
  EXPECT_EQ(replica.partitions(), "batch:Mutex default:Sharded");
  replica.remove("batch");
  replica.world.run_for(kApplied);
  EXPECT_EQ(replica.partitions(), "default:Sharded");
}

TEST(PolicyInACluster, TheLoserOfAConflictIsToldWhoWon) {
  Governed replica;
  ASSERT_TRUE(replica.create("loser", R"({"strategy":"RWMutex"})"));
  ASSERT_TRUE(replica.create("winner", R"({"strategy":"Mutex","priority":5})"));
  replica.world.run_for(kApplied);
  EXPECT_EQ(replica.partitions(), "winner:Mutex default:Sharded");
  const Json applied = replica.condition("loser", "Applied");
  EXPECT_EQ(applied.at("status"), "False");
  EXPECT_EQ(applied.at("reason"), "Conflict");
  EXPECT_NE(applied.at("message").get<std::string>().find("\"winner\""), std::string::npos);
  EXPECT_EQ(replica.condition("loser", "Accepted").at("status"), "True");
  replica.remove("winner");
  replica.world.run_for(kApplied);
  EXPECT_EQ(replica.partitions(), "loser:RWMutex default:Sharded");
  EXPECT_EQ(replica.condition("loser", "Ready").at("status"), "True");
}

TEST(PolicyInACluster, AHundredFlapsASecondAreFewApplicationsAndTheLastStateWins) {
  Governed replica;
  ASSERT_TRUE(replica.create("flapping", R"({"strategy":"Mutex"})"));
  replica.world.run_for(kApplied);
  auto& applications = replica.metrics.counter(telemetry::kPolicyApplications, {"pods", "success"});
  const double before = applications.Value();
  for (int i = 0; i < 300; ++i) {
    replica.patch("flapping", i % 2 == 0 ? R"({"strategy":"RWMutex"})" : R"({"strategy":"Mutex"})");
    replica.world.run_for(milliseconds(10));
  }
  replica.patch("flapping", R"({"strategy":"RWMutex"})");
  replica.world.run_for(kApplied);
  EXPECT_EQ(replica.partitions(), "flapping:RWMutex default:Sharded");
  EXPECT_LE(applications.Value() - before, 12);
  const Json object = replica.get("flapping");
  EXPECT_GE(object.at("/metadata/generation"_json_pointer), 300);
  for (const char* type : {"Accepted", "Applied", "Ready"}) {
    const Json condition = replica.condition("flapping", type);
    EXPECT_EQ(condition.at("status"), "True") << type;
    EXPECT_EQ(condition.at("observedGeneration"), object.at("/metadata/generation"_json_pointer));
  }
}

TEST(PolicyInACluster, AQuietStatusIsNotWrittenAgain) {
  Governed replica;
  ASSERT_TRUE(replica.create("batch", R"({"strategy":"Mutex"})"));
  replica.world.run_for(kApplied);
  const Json before = replica.get("batch");
  replica.world.run_for(std::chrono::minutes(5));
  EXPECT_EQ(replica.get("batch"), before);
}

TEST(PolicyInACluster, ARestartedControllerAppliesItAgainAndChangesNothingInItsStatus) {
  Governed replica;
  ASSERT_TRUE(replica.create("batch", R"({"strategy":"Mutex"})"));
  replica.world.run_for(kApplied);
  const Json before = replica.get("batch");
  replica.stop();
  replica.start();
  EXPECT_EQ(replica.partitions(), "batch:Mutex default:Sharded");
  EXPECT_EQ(replica.get("batch"), before);
}

/// The server's reader refuses it only where the writer asks for strictness, as kubectl does.
bool only_strictly_refused(const BadPolicy& bad) { return bad.file == "spec-duplicate-key.json"; }

/// Without the server's validation, each bad policy that arrives at all gets a condition that names
/// field and value, and what ran before goes on.
TEST(BadPolicyInACluster, GetsAConditionThatNamesFieldAndValueWhileTheRunningStrategyStays) {
  Governed replica(false);
  ASSERT_TRUE(replica.create("good", R"({"strategy":"Mutex"})"));
  replica.world.run_for(kApplied);
  std::size_t arrived = 0;
  for (const BadPolicy& bad : policy::testing::bad_policies()) {
    const auto created = replica.create(bad.text);
    if (bad.refused_by == "syntax") {
      EXPECT_EQ(created.has_value(), only_strictly_refused(bad)) << bad.file;
      continue;
    }
    ASSERT_TRUE(created) << bad.file << ": " << created.error().message;
    ++arrived;
    replica.world.run_for(kApplied);
    const std::string name = bad.file.substr(0, bad.file.find('.'));
    const Json accepted = replica.condition(name, "Accepted");
    ASSERT_EQ(accepted.value("status", ""), "False") << bad.file;
    const std::string message = accepted.at("message");
    EXPECT_NE(message.find(bad.field), std::string::npos) << bad.file << ": " << message;
    EXPECT_NE(message.find(bad.value), std::string::npos) << bad.file << ": " << message;
    EXPECT_EQ(replica.partitions(), "good:Mutex default:Sharded") << bad.file;
    replica.remove(name);
  }
  EXPECT_GE(arrived, 40u);
}

TEST(BadPolicyInACluster, IsRefusedByTheServerWhereTheSchemaSaysSo) {
  Governed replica;
  std::size_t refused = 0;
  for (const BadPolicy& bad : policy::testing::bad_policies()) {
    const bool syntax = bad.refused_by == "syntax" && !only_strictly_refused(bad);
    if (bad.refused_by != "schema" && !syntax) continue;
    const auto created = replica.create(bad.text);
    EXPECT_FALSE(created) << bad.file;
    if (!created) ++refused;
  }
  EXPECT_GE(refused, 40u);
}

TEST(BadPolicyInACluster, ThatWasGoodBeforeStaysInForceAsItWas) {
  Governed replica(false);
  ASSERT_TRUE(replica.create("batch", R"({"strategy":"Mutex"})"));
  replica.world.run_for(kApplied);
  replica.patch("batch", R"({"shards":1099511627776})");
  replica.world.run_for(kApplied);
  EXPECT_EQ(replica.partitions(), "batch:Mutex default:Sharded");
  EXPECT_EQ(replica.condition("batch", "Accepted").at("reason"), "Invalid");
  EXPECT_EQ(replica.get("batch").at("status").at("activeStrategy"), "Mutex");
}

}  // namespace
}  // namespace podkeeper
