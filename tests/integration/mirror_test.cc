#include "pkg/http/client.h"
#include "pkg/kube/reflector.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/simkube/simkube.h"
#include "pkg/state/store.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper {
namespace {

using std::chrono::seconds;

using Content = std::map<std::string, std::string>;

Content content_of(const state::Reader& reader) {
  access::LoopbackAuthorizer authorizer;
  auto allowed = authorizer.read("", {reader.resource().plural_group(), ""}).value();
  Content content;
  const auto list = reader.list(std::move(allowed), {}).value();
  for (const auto& record : list.records) {
    content[record->object().key_text] = record->object().body;
  }
  return content;
}

/// A replica's lower half (client, reflectors, mirrors) beside the cluster that it mirrors, in one
/// simulated world.
class Mirrored {
 public:
  Mirrored(std::uint64_t seed, simkube::SimKubeOptions options, bool watch_list = false)
      : world(seed), by_watch(watch_list) {
    options.seed = seed;
    cluster = std::make_unique<simkube::SimKube>(world, serving, metrics, std::move(options));
    const auto bound = cluster->start();
    if (!bound) throw std::runtime_error(bound.error().message);
    client = std::make_unique<http::Client>(
        world, metrics, http::ClientOptions{.endpoint = *bound, .user_agent = "test"});
    for (const auto* resource : {&kube::pods(), &kube::nodes()}) follow(*resource);
  }
  ~Mirrored() {
    for (auto* group : {&mirroring, &serving}) {
      group->stop();
      world.run_task([group]() -> base::Task<void> {
        auto joined = group->join();
        co_await std::move(joined);
      });
    }
  }
  void follow(const kube::Resource& resource) {
    mirrors.push_back(std::make_unique<state::Store>(
        world.clock(), state::StoreOptions{.resource = resource, .map = {}, .log = {}}));
    kube::ReflectorOptions options;
    options.resource = resource;
    options.page_size = 20;
    options.watch_list = by_watch;
    reflectors.push_back(
        std::make_unique<kube::Reflector>(world, *client, metrics, *mirrors.back(), options));
    const auto spawned =
        mirroring.spawn("reflector", base::Handler::kEvent,
                        [reflector = reflectors.back().get()] { return reflector->run(); });
    EXPECT_TRUE(spawned);
  }
  [[nodiscard]] bool equal() const {
    for (const auto& mirror : mirrors) {
      const state::Reader ours(*mirror);
      if (content_of(ours) != content_of(cluster->cluster().reader(ours.resource()))) return false;
    }
    return true;
  }
  /// Lets the cluster live, and fails where nothing much happened to it.
  void live(base::Duration duration) {
    const auto before = cluster->cluster().revision().value;
    world.run_for(duration);
    EXPECT_GT(cluster->cluster().revision().value, before + 100);
    for (const auto& mirror : mirrors) EXPECT_GT(mirror->stats().objects, 3);
  }
  /// Lets the cluster come to rest, and the mirrors after it.
  [[nodiscard]] bool settles() {
    cluster->set_churn(0);
    world.run_for(seconds(120));
    return equal();
  }

  runtime::SimulatedWorld world;
  const bool by_watch;  ///< the state comes by a watch
  runtime::TaskRegistry registry{world.clock()};
  telemetry::Metrics metrics;
  runtime::TaskGroup serving{world, registry, "serving"};
  runtime::TaskGroup mirroring{world, registry, "mirroring"};
  std::unique_ptr<simkube::SimKube> cluster;
  std::unique_ptr<http::Client> client;
  std::vector<std::unique_ptr<state::Store>> mirrors;
  std::vector<std::unique_ptr<kube::Reflector>> reflectors;
};

simkube::SimKubeOptions small_cluster() {
  simkube::SimKubeOptions options;
  options.nodes = 4;
  options.pods = 40;
  options.churn = 10;
  return options;
}

TEST(Mirror, HoldsTheClustersBytesOnceItIsQuiet) {
  Mirrored mirrored(1, small_cluster());
  mirrored.live(seconds(20));
  EXPECT_TRUE(mirrored.settles());
}

TEST(Mirror, ReachesTheLastStateThroughCutConnections) {
  auto options = small_cluster();
  options.cut_every = seconds(2);
  Mirrored mirrored(2, options);
  mirrored.live(seconds(20));
  EXPECT_TRUE(mirrored.settles());
}

TEST(Mirror, ReachesTheLastStateWhenTheHistoryIsTooShort) {
  auto options = small_cluster();
  options.history_events = 16;
  options.cut_every = seconds(3);
  Mirrored mirrored(3, options);
  mirrored.live(seconds(20));
  EXPECT_TRUE(mirrored.settles());
}

TEST(Mirror, ReachesTheLastStateWhereTheStateComesByAWatch) {
  auto options = small_cluster();
  options.history_events = 16;
  options.cut_every = seconds(3);
  Mirrored mirrored(3, options, /*watch_list=*/true);
  mirrored.live(seconds(20));
  EXPECT_TRUE(mirrored.settles());
}

TEST(Mirror, FollowsPoliciesAsItFollowsPods) {
  Mirrored mirrored(6, small_cluster());
  const auto& policies = kube::concurrent_map_policies();
  mirrored.follow(policies);
  mirrored.world.run_for(seconds(1));
  auto& cluster = mirrored.cluster->cluster();
  const auto made = cluster.create(
      policies, "",
      simkube::Json::parse(R"({"metadata":{"name":"x"},"spec":{"strategy":"LockFree"}})"), {});
  ASSERT_TRUE(made.has_value()) << made.error().message;
  const auto status = cluster.patch(
      policies, {"", "x"}, simkube::Json::parse(R"({"status":{"activeStrategy":"LockFree"}})"),
      /*status=*/true, {});
  ASSERT_TRUE(status.has_value()) << status.error().message;
  mirrored.world.run_for(seconds(2));
  const state::Reader mirror(*mirrored.mirrors.back());
  const auto content = content_of(mirror);
  EXPECT_EQ(content, content_of(cluster.reader(policies)));
  ASSERT_TRUE(content.contains("x"));
  EXPECT_NE(content.at("x").find(R"("shards":256)"), std::string::npos);
  EXPECT_NE(content.at("x").find(R"("activeStrategy":"LockFree")"), std::string::npos);
}

TEST(Mirror, ReplaysIdenticallyBySeed) {
  const auto run = [](std::uint64_t seed) {
    auto options = small_cluster();
    options.cut_every = seconds(2);
    Mirrored mirrored(seed, options);
    mirrored.live(seconds(15));
    std::string digest = std::to_string(mirrored.world.trace_hash()) + "\n";
    for (const auto& [key, body] : content_of(state::Reader(*mirrored.mirrors[0]))) digest += body;
    return digest;
  };
  const auto first = run(4);
  EXPECT_EQ(first, run(4));
  EXPECT_NE(first, run(5));
}

}  // namespace
}  // namespace podkeeper
