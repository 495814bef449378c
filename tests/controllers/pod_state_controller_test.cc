#include "pkg/controllers/pod_state_controller.h"

#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "tests/controllers/support.h"

namespace podkeeper::controllers {
namespace {

using namespace std::chrono_literals;
using kube::EventType;
using state::PodStateRef;
using testing::allowed;
using testing::batch;
using testing::Node;
using testing::object;
using testing::Pod;

/// Mirrors of pods and nodes, the controller on them, and a world to run it in.
struct Bench {
  explicit Bench(PodStateControllerOptions options = {}, std::uint64_t seed = 1,
                 std::size_t log_events = 1024)
      : world(seed),
        pods(world.clock(),
             {.resource = kube::pods(), .map = {}, .log = {.events_max = log_events}}),
        nodes(world.clock(), {.resource = kube::nodes(), .map = {}, .log = {.events_max = 64}}),
        controller(world, state::Reader(pods), allowed(), state::Reader(nodes), allowed("nodes"),
                   states, options) {}
  ~Bench() {
    group.stop();
    world.run();
    EXPECT_EQ(group.size(), 0u);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  void start() { ASSERT_TRUE(controller.start(group)); }
  void run(base::Duration duration = 1s) { world.run_for(duration); }
  kube::UnixSeconds now() {
    return std::chrono::floor<std::chrono::seconds>(world.clock().wall_now())
        .time_since_epoch()
        .count();
  }
  PodStateRef state(const std::string& name) { return states.get(allowed(), {"d", name}); }

  runtime::SimulatedWorld world;
  runtime::TaskRegistry registry{world.clock()};
  state::Store pods;
  state::Store nodes;
  state::PodStates states{world.clock()};
  PodStateController controller;
  runtime::TaskGroup group{world, registry, "test"};
};

TEST(PodStateController, SaysNothingBeforeBothMirrorsAreSynced) {
  Bench bench;
  bench.start();
  bench.pods.replace(batch(Pod{.name = "a"}, Pod{.name = "b", .uid = "b"}), {10});
  bench.run();
  EXPECT_EQ(bench.states.map().size(), 0u);
  bench.nodes.replace(batch(Node{}), {10});
  bench.run();
  EXPECT_EQ(bench.states.map().size(), 2u);
  EXPECT_FALSE(bench.state("a")->state().node_lost);
  EXPECT_EQ(bench.controller.differences(), std::vector<std::string>{});
}

TEST(PodStateController, IsCompleteOnceEachPodOfTheFirstListsWasLookedAt) {
  Bench bench;
  bench.start();
  EXPECT_FALSE(bench.controller.check_complete());
  bench.pods.replace(batch(Pod{.name = "a"}, Pod{.name = "b", .uid = "b"}), {10});
  bench.run();
  EXPECT_FALSE(bench.states.complete()) << "no node is known yet";
  bench.nodes.replace(batch(Node{}), {10});
  const auto complete = [&bench] {
    EXPECT_EQ(bench.states.complete(), bench.states.map().size() == 2);
    return bench.states.complete();
  };
  EXPECT_TRUE(bench.world.run_until(complete, 1s));
  EXPECT_TRUE(bench.controller.check_complete());
}

TEST(PodStateController, IsCompleteOfAnEmptyCluster) {
  Bench bench;
  bench.start();
  bench.nodes.replace({}, {10});
  bench.pods.replace({}, {10});
  bench.run();
  EXPECT_TRUE(bench.states.complete());
}

TEST(PodStateController, FollowsChangesAndDeletions) {
  Bench bench;
  bench.start();
  bench.nodes.replace(batch(Node{}), {10});
  bench.pods.replace(batch(Pod{.name = "a"}, Pod{.name = "b", .uid = "b"}), {10});
  bench.run();
  bench.pods.apply(EventType::kModified,
                   object(Pod{.ready_since = 5, .name = "a", .revision = 11}));
  bench.pods.apply(EventType::kDeleted, object(Pod{.name = "b", .revision = 12, .uid = "b"}));
  bench.run();
  EXPECT_EQ(bench.state("a")->state().revision().value, 11u);
  EXPECT_TRUE(bench.state("a")->state().ready);
  EXPECT_FALSE(bench.state("b"));
  bench.pods.replace({}, {20});
  bench.run();
  EXPECT_EQ(bench.states.map().size(), 0u) << "a resync's deletions count too";
}

TEST(PodStateController, LooksAtEverythingWhenItsFeedFellOutOfTheLog) {
  Bench bench({}, 1, /*log_events=*/8);
  bench.start();
  bench.nodes.replace(batch(Node{}), {10});
  bench.pods.replace(batch(Pod{.name = "gone", .uid = "gone"}), {10});
  bench.run();
  ASSERT_TRUE(bench.state("gone"));
  bench.pods.apply(EventType::kDeleted, object(Pod{.name = "gone", .revision = 11, .uid = "gone"}));
  for (std::uint64_t r = 12; r < 60; ++r) {
    const std::string name = "p" + std::to_string(r);
    bench.pods.apply(EventType::kAdded, object(Pod{.name = name, .revision = r, .uid = name}));
  }
  bench.run();
  EXPECT_EQ(bench.states.map().size(), 48u);
  EXPECT_FALSE(bench.state("gone")) << "its deletion was no longer in the log";
  EXPECT_EQ(bench.controller.differences(), std::vector<std::string>{});
}

TEST(PodStateController, CatchesUpBeforeItsWorkersDo) {
  Bench bench;
  bench.nodes.replace(batch(Node{}), {10});
  bench.pods.replace(batch(Pod{.name = "a"}, Pod{.name = "b", .uid = "b"}), {10});
  const auto catch_up = [&](const std::string& key) {
    bench.world.run_task([&]() -> base::Task<void> {
      auto catching_up = bench.controller.catch_up(key);
      co_await std::move(catching_up);
    });
  };
  catch_up("d/a");
  EXPECT_TRUE(bench.state("a"));
  EXPECT_FALSE(bench.state("b"));
  bench.pods.apply(EventType::kDeleted, object(Pod{.name = "a", .revision = 11}));
  catch_up("");
  EXPECT_FALSE(bench.state("a")) << "its pod is gone";
  EXPECT_TRUE(bench.state("b"));
  EXPECT_EQ(bench.controller.differences(), std::vector<std::string>{});
}

TEST(PodStateController, CountsPodsAsLostWhileTheirNodeIsSilentTooLong) {
  Bench bench;
  bench.start();
  bench.nodes.replace(batch(Node{.name = "n1"}, Node{.name = "n2"}), {10});
  bench.pods.replace(batch(Pod{.name = "a"}, Pod{.node = "n2", .name = "b", .uid = "b"}), {10});
  bench.run();
  bench.nodes.apply(
      EventType::kModified,
      object(Node{.ready = "Unknown", .since = bench.now() - testing::kCreated, .revision = 11}));
  bench.run(39s);
  EXPECT_FALSE(bench.state("a")->state().node_lost);
  bench.run(2s);
  EXPECT_TRUE(bench.state("a")->state().node_lost) << "time alone changed it";
  EXPECT_FALSE(bench.state("b")->state().node_lost);
  bench.nodes.apply(EventType::kModified, object(Node{.revision = 12}));
  bench.nodes.apply(EventType::kDeleted, object(Node{.name = "n2", .revision = 13}));
  bench.run();
  EXPECT_FALSE(bench.state("a")->state().node_lost);
  EXPECT_TRUE(bench.state("b")->state().node_lost) << "a node that is gone is lost";
}

TEST(PodStateController, LetsATerminalPodsStateGoWhenItsTimeHasCome) {
  Bench bench({.derive = {.terminal_ttl = 60s}});
  bench.start();
  bench.nodes.replace(batch(Node{}), {10});
  bench.pods.replace(batch(Pod{.phase = "Succeeded", .finished = 0, .created = bench.now()},
                           Pod{.name = "running", .uid = "r"}),
                     {10});
  bench.run(59s);
  EXPECT_TRUE(bench.state("p"));
  bench.run(2s);
  EXPECT_FALSE(bench.state("p"));
  EXPECT_TRUE(bench.state("running"));
  bench.pods.apply(
      EventType::kModified,
      object(
          Pod{.phase = "Succeeded", .finished = 0, .revision = 11, .created = bench.now() - 100}));
  bench.run();
  EXPECT_FALSE(bench.state("p")) << "a late change does not bring it back";
}

TEST(PodStateController, SweepsWithoutItsWorkers) {
  Bench bench({.derive = {.terminal_ttl = 60s}});
  bench.nodes.replace({}, {10});
  bench.pods.replace(batch(Pod{.phase = "Failed", .finished = 0, .created = bench.now()}), {10});
  const auto due = bench.controller.update_status("d/p");
  ASSERT_TRUE(due);
  EXPECT_EQ(*due, 60s);
  bench.run(59s);
  EXPECT_EQ(bench.controller.cleanup_expired(), 0u);
  bench.world.run_task([&] { return bench.world.clock().sleep_for(61s); });
  EXPECT_EQ(bench.controller.cleanup_expired(), 1u);
  EXPECT_FALSE(bench.state("p"));
}

/// Random lives of pods and nodes.
class PodStateSeeds : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(PodStateSeeds, EndUpEqualToWhatTheMirrorSays) {
  Bench bench({.derive = {.terminal_ttl = 30s}}, GetParam(), /*log_events=*/32);
  bench.start();
  std::mt19937_64 random(GetParam());
  const auto below = [&](std::uint64_t n) { return random() % n; };
  bench.nodes.replace({}, {1});
  bench.pods.replace({}, {1});
  const std::vector<std::string> phases = {"Pending", "Running", "Succeeded", "Failed"};
  const std::vector<std::string> readiness = {"True", "False", "Unknown"};
  std::uint64_t revision = 1;
  for (int round = 0; round < 150; ++round) {
    for (std::uint64_t i = 0; i < below(60); ++i) {
      ++revision;
      const std::string n = std::to_string(below(25));
      const auto type = below(4) == 0 ? EventType::kDeleted : EventType::kModified;
      if (below(8) == 0) {
        bench.nodes.apply(type, object(Node{.ready = readiness[below(3)],
                                            .since = bench.now() - testing::kCreated,
                                            .name = "n" + std::to_string(below(4)),
                                            .revision = revision}));
      } else {
        bench.pods.apply(type, object(Pod{.phase = phases[below(4)],
                                          .node = "n" + std::to_string(below(5)),
                                          .finished = 0,
                                          .name = "p" + n,
                                          .revision = revision,
                                          .created = bench.now(),
                                          .uid = n}));
      }
    }
    bench.run(std::chrono::milliseconds(below(20'000)));
  }
  bench.run(2s);
  EXPECT_EQ(bench.controller.backlog(), 0u);
  EXPECT_EQ(bench.controller.differences(), std::vector<std::string>{});
  EXPECT_GT(bench.states.map().partitions().report().back().map.puts, 500u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, PodStateSeeds, ::testing::Values(1, 2, 3, 4));

}  // namespace
}  // namespace podkeeper::controllers
