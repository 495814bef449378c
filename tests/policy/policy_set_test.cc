#include "pkg/policy/policy_set.h"

#include "pkg/policy/describe.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace podkeeper::policy {
namespace {

Parsed parsed(const std::string& name, const std::string& spec, int generation = 1) {
  return parse(R"({"metadata":{"name":")" + name + R"(","uid":"u-)" + name + R"(","generation":)" +
               std::to_string(generation) + R"(},"spec":)" + spec + "}");
}

std::string in_force(const PolicySet& set) {
  std::string out;
  for (const Policy& policy : set.ranked()) {
    out += policy.identity.name + ":" + std::string(to_string(policy.spec.strategy)) + " ";
  }
  return out;
}

std::string reasons(const PolicyView& view) {
  std::string out;
  for (const Condition& condition : view.status.conditions) {
    out += condition.type + "=" + (condition.holds ? "+" : "-") + condition.reason + " ";
  }
  return out;
}

StoreView store(const std::string& name, bool current = true) {
  return {.name = name, .resource = name, .current = current};
}

TEST(PolicySet, AGoodSpecStaysInForceWhileANewerOneIsRefused) {
  PolicySet set;
  set.update({parsed("a", R"({"strategy":"Mutex"})")});
  set.update({parsed("a", R"({"strategy":"RWMutex","shards":3})", 2)});
  EXPECT_EQ(in_force(set), "a:Mutex ");
  EXPECT_EQ(set.known().front().verdict, KnownPolicy::Verdict::kInvalid);
  set.update({parsed("a", R"({"strategy":"RWMutex"})", 3)});
  EXPECT_EQ(in_force(set), "a:RWMutex ");
  set.update({});
  EXPECT_EQ(in_force(set), "");
}

TEST(PolicySet, OnRestartIsAppliedAtTheStartAndThenWaitsForTheNext) {
  const char* on_restart = R"({"strategy":"Mutex","migration":{"mode":"OnRestart"}})";
  PolicySet set;
  set.update({parsed("a", on_restart)});
  EXPECT_EQ(in_force(set), "a:Mutex ");
  set.update({parsed("a", R"({"strategy":"RWMutex","migration":{"mode":"OnRestart"}})", 2),
              parsed("b", on_restart)});
  EXPECT_EQ(in_force(set), "a:Mutex ");
  const auto views = describe(set, {store("pods")}, "me");
  EXPECT_EQ(reasons(views[0]), "Accepted=+Valid Applied=-PendingRestart Ready=-PendingRestart ");
  PolicySet after_restart;
  after_restart.update({parsed("b", on_restart)});
  EXPECT_EQ(in_force(after_restart), "b:Mutex ");
}

TEST(Describe, GivesEachPolicyTheReasonOfWhatBecameOfIt) {
  PolicySet set;
  set.update({parsed("bad", R"({"strategy":"None"})"), parsed("auto", R"({"strategy":"Auto"})"),
              parsed("elsewhere", R"({"strategy":"Mutex","target":{"resources":["jobs.batch"]}})"),
              parsed("loser", R"({"strategy":"Mutex"})"),
              parsed("winner", R"({"strategy":"RWMutex","priority":1})")});
  const auto views = describe(set, {store("pods")}, "me");
  std::vector<std::string> told;
  for (const PolicyView& view : views) told.push_back(view.identity.name + " " + reasons(view));
  const std::vector<std::string> expected = {
      "winner Accepted=+Valid Applied=+Applied Ready=+Applied ",
      "elsewhere Accepted=+Valid Applied=-NothingToGovern Ready=-NothingToGovern ",
      "loser Accepted=+Valid Applied=-Conflict Ready=-Conflict ",
      "auto Accepted=-NotSupported Applied=-NotSupported Ready=-NotSupported ",
      "bad Accepted=-Invalid Applied=-Invalid Ready=-Invalid "};
  EXPECT_EQ(told, expected);
}

TEST(Describe, AStoreThatIsNotThereYetIsPendingAndOneThatFailedSaysWhy) {
  PolicySet set;
  set.update({parsed("a", R"({"strategy":"Mutex"})")});
  EXPECT_EQ(reasons(describe(set, {store("pods", false)}, "me").front()),
            "Accepted=+Valid Applied=-Pending Ready=-Pending ");
  StoreView failed = store("pods", false);
  failed.error = "took longer than 30 s";
  const auto view = describe(set, {failed}, "me").front();
  EXPECT_EQ(reasons(view), "Accepted=+Valid Applied=-ApplyFailed Ready=-ApplyFailed ");
  EXPECT_EQ(view.status.condition("Applied")->message, "pods~a: took longer than 30 s");
}

TEST(Describe, WhatIsDerivedFromAMirrorIsNotCountedTwice) {
  PolicySet set;
  set.update({parsed("a", R"({"strategy":"Mutex"})")});
  const PartitionReport report{
      .policy = "a", .map = {.strategy = cmap::Strategy::kMutex, .shards = 1, .entries = 7}};
  StoreView mirror = store("pods");
  mirror.running = {report};
  StoreView derived = mirror;
  derived.name = "podstates";
  const auto view = describe(set, {mirror, derived}, "me").front();
  EXPECT_EQ(view.status.entries, 7);
  EXPECT_EQ(view.status.active_strategy, "Mutex");
  EXPECT_EQ(view.partitions.size(), 2u);
}

}  // namespace
}  // namespace podkeeper::policy
