#include "pkg/policy/read_rules.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::policy {
namespace {

constexpr auto kEventual = Consistency::kEventual;
constexpr auto kSnapshot = Consistency::kSnapshot;
constexpr auto kLinearizable = Consistency::kLinearizable;

Policy policy(std::string name, std::int32_t priority, std::vector<std::string> namespaces,
              std::optional<Reads> reads, std::string pods = "") {
  Policy made;
  made.identity.name = std::move(name);
  made.spec.priority = priority;
  made.spec.target.namespaces = std::move(namespaces);
  made.spec.reads = reads;
  if (!pods.empty()) made.spec.target.pods = kube::LabelSelector::parse(pods).value();
  return made;
}

Consistency of(const std::vector<Policy>& ranked, const std::string& namespace_) {
  return strictest(read_rules(ranked, "pods"), namespace_).consistency;
}

TEST(ReadRules, AreNoneWhereNoPolicySpeaksOfReads) {
  EXPECT_TRUE(read_rules({policy("a", 1, {}, {})}, "pods").empty());
  EXPECT_TRUE(read_rules({}, "pods").empty());
}

TEST(ReadRules, AreThoseOfTheBestPolicyOfANamespace) {
  const std::vector<Policy> ranked = {
      policy("a", 2, {"prod-*"}, Reads{.consistency = kLinearizable}),
      policy("b", 1, {"prod-1", "test"}, Reads{.consistency = kSnapshot})};
  EXPECT_EQ(of(ranked, "prod-1"), kLinearizable);
  EXPECT_EQ(of(ranked, "test"), kSnapshot);
  EXPECT_EQ(of(ranked, "testing"), kEventual);
  EXPECT_EQ(of(ranked, ""), kLinearizable) << "a list of all holds objects of each";
}

TEST(ReadRules, ABetterPolicyWithoutAWishShieldsItsObjects) {
  const std::vector<Policy> ranked = {policy("a", 2, {"prod"}, {}),
                                      policy("b", 1, {}, Reads{.consistency = kSnapshot})};
  EXPECT_EQ(of(ranked, "prod"), kEventual);
  EXPECT_EQ(of(ranked, "test"), kSnapshot);
}

TEST(ReadRules, APolicyOfSomePodsLeavesTheOthersToTheNext) {
  const std::vector<Policy> ranked = {policy("a", 2, {}, Reads{.consistency = kSnapshot}, "app=db"),
                                      policy("b", 1, {}, Reads{.consistency = kLinearizable})};
  EXPECT_EQ(of(ranked, "any"), kLinearizable);
}

TEST(ReadRules, TheLeastStalenessCounts) {
  const auto stale = [](std::int32_t ms) {
    return Reads{.consistency = kEventual, .max_staleness_milliseconds = ms};
  };
  const std::vector<Policy> ranked = {policy("a", 2, {"x"}, stale(700)),
                                      policy("b", 1, {"y"}, stale(300))};
  const auto rules = read_rules(ranked, "pods");
  EXPECT_EQ(strictest(rules, "x").max_staleness_milliseconds, 700);
  EXPECT_EQ(strictest(rules, "").max_staleness_milliseconds, 300);
  EXPECT_EQ(strictest(rules, "z").max_staleness_milliseconds, std::nullopt);
}

}  // namespace
}  // namespace podkeeper::policy
