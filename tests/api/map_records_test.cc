#include "pkg/api/map_records.h"

#include "pkg/runtime/simulated_world.h"
#include "pkg/state/pod_states.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <utility>

namespace podkeeper::api {
namespace {

using nlohmann::json;

TEST(MapRecords, TellWhatEachPartitionRuns) {
  runtime::SimulatedWorld world(1);
  state::PodStates states(world.clock());
  const state::Partitions* maps[] = {&states.map().partitions()};
  auto body = [&]() -> base::Task<void> {
    policy::PartitionPlan plan{
        .rules = {{.policy = "batch",
                   .namespaces = {"ci-*"},
                   .map = {.strategy = cmap::Strategy::kRWMutex, .shards = 1}}},
        .defaults = {.shards = 64}};
    auto applying = states.map().partitions().apply(std::move(plan));
    EXPECT_TRUE((co_await std::move(applying)).has_value());
  };
  world.run_task(body);
  states.map().erase(cmap::make_key("ci-1/absent"));

  const json list = json::parse(map_list_json(maps));
  EXPECT_EQ(list["apiVersion"], "state.podkeeper.dev/v1");
  EXPECT_EQ(list["kind"], "MapList");
  ASSERT_EQ(list["items"].size(), 2u);
  const json& batch = list["items"][0];
  EXPECT_EQ(batch["partition"], "podstates.state.podkeeper.dev~batch");
  EXPECT_EQ(batch["resource"], "pods");
  EXPECT_EQ(batch["policy"], "batch");
  EXPECT_EQ(batch["strategy"], "RWMutex");
  EXPECT_EQ(batch["shards"], 1);
  EXPECT_EQ(batch["hash"], "XXH3");
  EXPECT_EQ(batch["entries"], 0);
  EXPECT_EQ(batch["recordBytes"], 0);
  EXPECT_GT(batch["tableBytes"], 0);
  EXPECT_EQ(batch["operations"]["erase"], 1);
  EXPECT_EQ(list["items"][1]["partition"], "podstates.state.podkeeper.dev");
  EXPECT_FALSE(list["items"][1].contains("policy"));
}

TEST(MapRecords, AreAnEmptyListWithoutMaps) {
  EXPECT_EQ(json::parse(map_list_json({}))["items"], json::array());
}

}  // namespace
}  // namespace podkeeper::api
