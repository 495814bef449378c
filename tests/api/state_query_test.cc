#include "pkg/api/state_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace podkeeper::api {
namespace {

using testing::HasSubstr;

http::Target target(const std::string& query) {
  auto parsed = http::parse_target("/state/v1/pods" + query);
  EXPECT_TRUE(parsed) << query;
  return parsed ? *parsed : http::Target{};
}

TEST(StateQuery, ReadsEveryParameter) {
  const auto query =
      parse_pod_query(target("?namespace=shop&node=a&phase=Running&labelSelector=app%3Dweb&"
                             "fieldSelector=spec.nodeName%3Da&limit=5"
                             "&sort=-restarts"));
  ASSERT_TRUE(query) << query.error().message;
  EXPECT_EQ(query->namespace_, "shop");
  ASSERT_NE(query->fields.required("spec.nodeName"), nullptr);
  EXPECT_EQ(*query->fields.required("spec.nodeName"), "a");
  ASSERT_NE(query->fields.required("status.phase"), nullptr);
  EXPECT_EQ(*query->fields.required("status.phase"), "Running");
  EXPECT_FALSE(query->labels.empty());
  EXPECT_FALSE(query->fields.empty());
  EXPECT_EQ(query->limit, 5);
  EXPECT_EQ(query->sort, state::PodSort::kRestarts);
  EXPECT_TRUE(query->descending);
}

TEST(StateQuery, GoesOnWhereAPositionPointed) {
  const state::PodPosition position{.value = -3, .key = "shop/web-0"};
  const auto query = parse_pod_query(target("?continue=" + encode_position(position)));
  ASSERT_TRUE(query) << query.error().message;
  EXPECT_EQ(query->start_after, position);
}

TEST(StateQuery, RefusesWithTheParameterItsValueAndWhatItMayBe) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {"?limit=many", {"limit", "many", "whole number"}},
      {"?limit=-1", {"limit", "-1"}},
      {"?limit=99999999999999999999", {"limit"}},
      {"?sort=colour", {"sort", "colour", "restarts"}},
      {"?continue=!", {"continue", "from the start"}},
      {"?continue=YWJj", {"continue"}},
      {"?labelSelector=a%3D%3D%3Db", {"labelSelector"}},
      {"?fieldSelector=spec.colour%3Dred", {"fieldSelector", "spec.colour"}},
      {"?labels=app%3Dweb", {"\"labels\"", "labelSelector"}},
  };
  for (const auto& [text, words] : cases) {
    const auto query = parse_pod_query(target(text));
    ASSERT_FALSE(query) << text;
    for (const std::string& word : words) EXPECT_THAT(query.error().message, HasSubstr(word));
  }
}

}  // namespace
}  // namespace podkeeper::api
