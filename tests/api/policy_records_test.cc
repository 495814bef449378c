#include "pkg/api/policy_records.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace podkeeper::api {
namespace {

using nlohmann::json;

TEST(PolicyRecords, TellRankConditionsAndWhoGovernsWhere) {
  policy::PolicyView view{
      .identity = {.name = "batch", .uid = "u", .generation = 3, .revision = {}, .created = 60},
      .accepted = true,
      .spec = {},
      .rank = 2,
      .status = {.active_strategy = "Mutex",
                 .conditions = {{.type = "Ready", .holds = true, .reason = "Applied"}}}};
  view.partitions = {{.store = "pods",
                      .partition = "pods~batch",
                      .standing = policy::Standing::kGoverns,
                      .winner = {},
                      .running = cmap::MapStats{.strategy = cmap::Strategy::kMutex},
                      .current = true},
                     {.store = "nodes",
                      .partition = "nodes~batch",
                      .standing = policy::Standing::kShadowed,
                      .winner = "other"}};
  const policy::Board board{.synced = true, .policies = {view}};
  const json list = json::parse(policy_list_json(board));
  EXPECT_EQ(list.at("kind"), "PolicyList");
  EXPECT_EQ(list.at("synced"), true);
  const json& item = list.at("items").at(0);
  EXPECT_EQ(item.at("name"), "batch");
  EXPECT_EQ(item.at("rank"), 2);
  EXPECT_EQ(item.at("createdAt"), "1970-01-01T00:01:00Z");
  EXPECT_EQ(item.at("conditions").at(0).at("status"), "True");
  EXPECT_EQ(item.at("partitions").at(0).at("standing"), "Governs");
  EXPECT_EQ(item.at("partitions").at(0).at("strategy"), "Mutex");
  EXPECT_EQ(item.at("partitions").at(1).at("winner"), "other");
}

TEST(PolicyRecords, AClusterWithoutTheDefinitionHasAnEmptyList) {
  const json list = json::parse(policy_list_json({}));
  EXPECT_EQ(list.at("synced"), false);
  EXPECT_TRUE(list.at("items").empty());
}

}  // namespace
}  // namespace podkeeper::api
