#include "pkg/simkube/actors.h"

#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/simkube/manifests.h"
#include "pkg/simkube/population.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <map>
#include <string>

namespace podkeeper::simkube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A made-up cluster with its actors running.
class Alive {
 public:
  explicit Alive(std::uint64_t seed, double churn,
                 PopulationOptions size = {.seed = 1, .nodes = 5, .pods = 40})
      : world(seed),
        cluster(world, {.seed = seed, .log = {}}),
        actors(world, cluster, {.seed = seed, .churn = churn}) {
    size.seed = seed;
    populate(cluster, size);
    const auto spawned = group.spawn("actors", base::Handler::kTimer, [this]() -> base::Task<void> {
      auto run = actors.run();
      co_await std::move(run);
    });
    EXPECT_TRUE(spawned);
    world.run_for(milliseconds(1));
  }
  ~Alive() {
    group.stop();
    world.run_task([this]() -> base::Task<void> { co_await group.join(); });
  }
  std::string dump() const {
    std::string all;
    for (const auto* resource : {&kube::pods(), &kube::nodes(), &kube::deployments()}) {
      for (const auto& key : cluster.keys(*resource, ""))
        all += cluster.find(*resource, key)->dump() + "\n";
    }
    return all;
  }
  /// Pods of the deployment that are ready and not going, by template hash.
  std::map<std::string, std::size_t> ready_by_hash(const kube::ObjectKey& deployment) const {
    std::map<std::string, std::size_t> count;
    for (const auto& key : cluster.keys(kube::pods(), deployment.namespace_)) {
      const auto pod = cluster.find(kube::pods(), key);
      const auto hash = (*pod)["metadata"]["labels"].value("pod-template-hash", "");
      if (!key.name.starts_with(deployment.name + "-" + hash + "-") ||
          (*pod)["metadata"].contains("deletionTimestamp")) {
        continue;
      }
      for (const auto& condition : (*pod)["status"]["conditions"]) {
        if (condition["type"] == "Ready" && condition["status"] == "True") ++count[hash];
      }
    }
    return count;
  }

  runtime::SimulatedWorld world;
  runtime::TaskRegistry registry{world.clock()};
  runtime::TaskGroup group{world, registry, "test"};
  Cluster cluster;
  Actors actors;
};

TEST(Population, FillsWhatWasAskedForAndAllOfItRuns) {
  Alive alive(3, 0, {.seed = 3, .nodes = 7, .pods = 120});
  EXPECT_EQ(alive.cluster.keys(kube::nodes(), "").size(), 7);
  const auto pods = alive.cluster.keys(kube::pods(), "");
  EXPECT_EQ(pods.size(), 120);
  for (const auto& key : pods) {
    const auto pod = alive.cluster.find(kube::pods(), key);
    EXPECT_EQ((*pod)["status"]["phase"], "Running");
    EXPECT_GT(pod->dump().size(), 2500);
  }
}

TEST(Actors, DoTheSameBySeed) {
  std::string first, again, other;
  for (auto* into : {&first, &again, &other}) {
    Alive alive(into == &other ? 12 : 11, 20);
    alive.world.run_for(seconds(30));
    *into = alive.dump();
  }
  EXPECT_EQ(first, again);
  EXPECT_NE(first, other);
}

TEST(Actors, ChangeAboutAsMuchAsWasAsked) {
  Alive alive(5, 20);
  alive.world.run_for(seconds(30));
  const auto before = alive.cluster.revision().value;
  alive.world.run_for(seconds(30));
  const auto changes = alive.cluster.revision().value - before;
  EXPECT_GT(changes, 30 * 20 / 2);
  EXPECT_LT(changes, 30 * 20 * 2);
}

TEST(Actors, AreQuietWithoutChurn) {
  Alive alive(5, 0);
  const auto before = alive.cluster.revision();
  alive.world.run_for(seconds(30));
  EXPECT_EQ(alive.cluster.revision(), before);
}

TEST(Actors, RunAPodThatAClientMakes) {
  Alive alive(5, 0);
  const auto made = alive.cluster.create(kube::pods(), "default", job_pod("default", "mine"), {});
  ASSERT_TRUE(made);
  const auto name = Json::parse(made->object)["metadata"]["name"].get<std::string>();
  alive.world.run_for(seconds(4));
  EXPECT_EQ((*alive.cluster.find(kube::pods(), {"default", name}))["status"]["phase"], "Running");
  alive.world.run_for(seconds(120));
  EXPECT_FALSE(alive.cluster.find(kube::pods(), {"default", name}));
}

TEST(Actors, RollOutANewTemplateAndAnotherCount) {
  Alive alive(5, 0);
  DeploymentShape shape;
  shape.name = "fresh";
  shape.namespace_ = "default";
  shape.image = "registry.example.com/fresh:v1";
  shape.replicas = 8;
  ASSERT_TRUE(alive.cluster.create(kube::deployments(), "default", deployment_manifest(shape), {}));
  alive.world.run_for(seconds(30));
  const kube::ObjectKey key{"default", "fresh"};
  const auto first = alive.ready_by_hash(key);
  ASSERT_EQ(first.size(), 1);
  EXPECT_EQ(first.begin()->second, 8);

  alive.cluster.edit(kube::deployments(), key, "", [](Json& json) {
    json["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example.com/fresh:v2";
    json["spec"]["replicas"] = 5;
    return true;
  });
  alive.world.run_for(seconds(120));
  const auto second = alive.ready_by_hash(key);
  ASSERT_EQ(second.size(), 1);
  EXPECT_NE(second.begin()->first, first.begin()->first);
  EXPECT_EQ(second.begin()->second, 5);
  EXPECT_EQ((*alive.cluster.find(kube::deployments(), key))["status"]["readyReplicas"], 5);
}

TEST(Actors, RemoveThePodsOfADeploymentThatIsGone) {
  Alive alive(5, 0);
  for (const auto& key : alive.cluster.keys(kube::deployments(), "")) {
    ASSERT_TRUE(alive.cluster.remove(kube::deployments(), key, {}));
  }
  alive.world.run_for(seconds(30));
  EXPECT_TRUE(alive.cluster.keys(kube::pods(), "").empty());
}

}  // namespace
}  // namespace podkeeper::simkube
