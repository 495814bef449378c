// Replicas that elect their leader by a Lease at the embedded cluster, over its API.

#include "pkg/http/client.h"
#include "pkg/kube/object_client.h"
#include "pkg/leader/elector.h"
#include "pkg/leader/lease.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/simkube/simkube.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace podkeeper {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

const kube::ObjectKey kLease{.namespace_ = "default", .name = "podkeeper"};

/// An embedded cluster in a simulated world, and what asks it.
class ClusterTest : public ::testing::Test {
 protected:
  ClusterTest() {
    simkube::SimKubeOptions options;
    options.nodes = 1;
    options.pods = 1;
    options.churn = 0;
    cluster = std::make_unique<simkube::SimKube>(world, serving, metrics, std::move(options));
    auto bound = cluster->start();
    if (!bound) throw std::runtime_error(bound.error().message);
    endpoint = *std::move(bound);
    client = make_client();
    objects = std::make_unique<kube::ObjectClient>(world, *client);
  }
  ~ClusterTest() override { end(serving); }

  std::unique_ptr<http::Client> make_client() {
    return std::make_unique<http::Client>(
        world, metrics, http::ClientOptions{.endpoint = endpoint, .user_agent = "test"});
  }
  void end(runtime::TaskGroup& group) {
    group.stop();
    world.run_task([&group]() -> base::Task<void> {
      auto joined = group.join();
      co_await std::move(joined);
    });
  }
  base::Result<std::string> await(base::Task<base::Result<std::string>> task) {
    base::Result<std::string> result = std::string();
    world.run_task([&]() -> base::Task<void> { result = co_await std::move(task); });
    return result;
  }
  Json lease() {
    const auto got = await(objects->get(leader::leases(), kLease));
    return got ? Json::parse(*got) : Json();
  }

  runtime::SimulatedWorld world{1};
  runtime::TaskRegistry registry{world.clock()};
  runtime::TaskGroup serving{world, registry, "cluster"};
  telemetry::Metrics metrics;
  std::unique_ptr<simkube::SimKube> cluster;
  base::Endpoint endpoint;
  std::unique_ptr<http::Client> client;
  std::unique_ptr<kube::ObjectClient> objects;
};

/// One replica: an elector with a client of its own, and a client for what leaders write.
struct Replica {
  Replica(base::World& in_world, std::unique_ptr<http::Client> own, telemetry::Metrics& metrics,
          runtime::TaskRegistry& registry, std::string identity)
      : client(std::move(own)),
        lock_objects(in_world, *client, {.timeout = 5s}),
        lock(lock_objects, kLease),
        elector(in_world, metrics, lock, {.name = kLease.name, .identity = std::move(identity)}),
        writes(in_world, *client, {.write_until = leader::until_of(elector)}),
        group(in_world, registry, "replica") {
    const auto started =
        group.spawn("elector", base::Handler::kTimer, [this] { return elector.run(); });
    if (!started) throw std::runtime_error(started.error().message);
  }

  std::unique_ptr<http::Client> client;
  kube::ObjectClient lock_objects;
  leader::ApiLeaseLock lock;
  leader::LeaderElector elector;
  kube::ObjectClient writes;
  runtime::TaskGroup group;
};

using Leadership = ClusterTest;

std::string config_map(const std::string& name) {
  return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name + R"("}})";
}

const kube::Resource kConfigMaps{.group = "",
                                 .version = "v1",
                                 .plural = "configmaps",
                                 .singular = "configmap",
                                 .kind = "ConfigMap",
                                 .short_names = {}};

TEST_F(Leadership, IsALeaseThatOneHoldsAndTheNextOneTakes) {
  Replica first(world, make_client(), metrics, registry, "replica-0_a");
  world.run_for(1s);
  ASSERT_TRUE(first.elector.leads());
  EXPECT_EQ(lease()["spec"]["holderIdentity"], "replica-0_a");
  EXPECT_EQ(lease()["spec"]["leaseDurationSeconds"], 15);
  EXPECT_EQ(lease()["spec"]["leaseTransitions"], 0);
  Replica second(world, make_client(), metrics, registry, "replica-1_b");
  world.run_for(60s);
  EXPECT_TRUE(first.elector.leads());
  EXPECT_FALSE(second.elector.leads());
  end(first.group);  // as if it were killed
  world.run_for(17s);
  EXPECT_TRUE(second.elector.leads());
  EXPECT_EQ(lease()["spec"]["holderIdentity"], "replica-1_b");
  EXPECT_EQ(lease()["spec"]["leaseTransitions"], 1);
  end(second.group);
}

TEST_F(Leadership, IsHandedOnWithinTheRetryPeriodWhereItIsReleased) {
  Replica first(world, make_client(), metrics, registry, "replica-0_a");
  world.run_for(1s);
  Replica second(world, make_client(), metrics, registry, "replica-1_b");
  world.run_for(30s);
  end(first.group);
  world.run_task([&]() -> base::Task<void> {
    auto releasing = first.elector.release();
    co_await std::move(releasing);
  });
  EXPECT_FALSE(first.elector.leads());
  world.run_for(2s);
  EXPECT_TRUE(second.elector.leads());
  EXPECT_EQ(lease()["spec"]["leaseTransitions"], 1);
  end(second.group);
}

TEST_F(Leadership, SurvivesConnectionsThatAreCutAllTheTime) {
  Replica replica(world, make_client(), metrics, registry, "replica-0_a");
  world.run_for(1s);
  for (int i = 0; i < 100; ++i) {
    world.cut_connections();
    world.run_for(3s);
    EXPECT_TRUE(replica.elector.leads()) << i;
  }
  EXPECT_EQ(lease()["spec"]["leaseTransitions"], 0);
  end(replica.group);
}

TEST_F(Leadership, OnlyTheLeadersWritesAreSent) {
  Replica leader(world, make_client(), metrics, registry, "replica-0_a");
  world.run_for(1s);
  Replica candidate(world, make_client(), metrics, registry, "replica-1_b");
  world.run_for(1s);
  EXPECT_TRUE(await(leader.writes.create(kConfigMaps, "default", config_map("mine"))));
  const auto refused = await(candidate.writes.create(kConfigMaps, "default", config_map("theirs")));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::ErrorCode::kUnavailable);
  EXPECT_FALSE(await(objects->get(kConfigMaps, {"default", "theirs"})));
  // Reading needs no leader.
  EXPECT_TRUE(await(candidate.writes.get(kConfigMaps, {"default", "mine"})));
  end(leader.group);
  world.run_for(11s);
  EXPECT_FALSE(await(leader.writes.create(kConfigMaps, "default", config_map("late"))));
  end(candidate.group);
}

}  // namespace
}  // namespace podkeeper
