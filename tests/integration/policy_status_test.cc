// A policy's status as several writers leave it behind.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "tests/faults/record.h"
#include "tests/integration/policy_cluster.h"

namespace podkeeper {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr const char* kMutex = R"({"strategy":"Mutex"})";

std::set<std::string> instances(const Json& policy) {
  std::set<std::string> names;
  for (const Json& entry : policy.value("/status/instances"_json_pointer, Json::array())) {
    names.insert(entry.at("instance"));
  }
  return names;
}

/// The fields of the status by who owns them: "podkeeper" -> the text of its fieldsV1.
std::map<std::string, std::string> owners(const Json& policy) {
  std::map<std::string, std::string> fields;
  for (const Json& entry : policy.at("metadata").at("managedFields")) {
    if (entry.value("subresource", "") != "status") continue;
    EXPECT_EQ(entry.at("operation"), "Apply") << entry.dump();
    fields[entry.at("manager")] = entry.at("fieldsV1").dump();
  }
  return fields;
}

/// How many Events there are of a reason, series counted in.
std::int64_t events(PolicyCluster& cluster, const std::string& reason) {
  std::int64_t count = 0;
  const Json listed = cluster.get("/apis/events.k8s.io/v1/namespaces/default/events");
  for (const Json& event : listed.at("items")) {
    if (event.at("reason") != reason) continue;
    count += event.value("/series/count"_json_pointer, std::int64_t{1});
  }
  return count;
}

TEST(PolicyStatusInACluster, TheLeadersFieldsAndEachInstancesEntryHaveManagersOfTheirOwn) {
  PolicyCluster cluster;
  PolicyReplica first(cluster, "a"), second(cluster, "b", [] { return false; });
  ASSERT_TRUE(cluster.create("batch", kMutex));
  cluster.world.run_for(kApplied);
  const Json policy = cluster.policy("batch");
  EXPECT_EQ(instances(policy), (std::set<std::string>{"a", "b"}));
  const auto fields = owners(policy);
  ASSERT_EQ(fields.size(), 3u) << policy.dump();
  EXPECT_NE(fields.at("podkeeper").find("f:conditions"), std::string::npos);
  EXPECT_EQ(fields.at("podkeeper").find("f:instances"), std::string::npos);
  for (const char* instance : {"a", "b"}) {
    const std::string& own = fields.at(std::string("podkeeper-") + instance);
    EXPECT_NE(own.find(std::string(R"(k:{\"instance\":\")") + instance), std::string::npos) << own;
    EXPECT_EQ(own.find("f:conditions"), std::string::npos) << own;
  }
}

TEST(PolicyStatusInACluster, WithoutALeaderInstancesStillWriteTheirEntries) {
  PolicyCluster cluster;
  PolicyReplica only(cluster, "a", [] { return false; });
  ASSERT_TRUE(cluster.create("batch", kMutex));
  cluster.world.run_for(minutes(2));
  const Json policy = cluster.policy("batch");
  EXPECT_EQ(instances(policy), std::set<std::string>{"a"});
  EXPECT_FALSE(policy.at("status").contains("conditions"));
  EXPECT_EQ(events(cluster, "Applied"), 0);
}

TEST(PolicyStatusInACluster, ANewLeaderGoesOnWithTheFieldsOfTheOneBefore) {
  PolicyCluster cluster;
  bool first_leads = true;
  PolicyReplica first(cluster, "a", [&] { return first_leads; });
  PolicyReplica second(cluster, "b", [&] { return !first_leads; });
  ASSERT_TRUE(cluster.create("batch", kMutex));
  cluster.world.run_for(kApplied);
  const Json before = cluster.condition("batch", "Accepted");
  first_leads = false;
  cluster.patch("batch", R"({"strategy":"RWMutex"})");
  cluster.world.run_for(kApplied);
  const Json policy = cluster.policy("batch");
  EXPECT_EQ(policy.at("status").at("activeStrategy"), "RWMutex");
  EXPECT_EQ(cluster.condition("batch", "Accepted").at("lastTransitionTime"),
            before.at("lastTransitionTime"));
  EXPECT_EQ(owners(policy).size(), 3u) << policy.dump();
}

TEST(PolicyStatusInACluster, AnInstanceThatLeavesTakesItsEntryAlong) {
  PolicyCluster cluster;
  PolicyReplica first(cluster, "a");
  auto second = std::make_unique<PolicyReplica>(cluster, "b", [] { return false; });
  ASSERT_TRUE(cluster.create("batch", kMutex));
  ASSERT_TRUE(cluster.create("other", R"({"strategy":"Mutex","priority":1})"));
  cluster.world.run_for(kApplied);
  ASSERT_EQ(instances(cluster.policy("other")), (std::set<std::string>{"a", "b"}));
  const auto began = cluster.world.clock().now();
  second->leave();
  EXPECT_LT(cluster.world.clock().now() - began, seconds(2));
  for (const char* name : {"batch", "other"}) {
    const Json policy = cluster.policy(name);
    EXPECT_EQ(instances(policy), std::set<std::string>{"a"}) << name;
    EXPECT_EQ(owners(policy).count("podkeeper-b"), 0u) << name;
  }
  // It does not come back while it drains.
  cluster.world.run_for(minutes(1));
  EXPECT_EQ(instances(cluster.policy("batch")), std::set<std::string>{"a"});
}

TEST(PolicyStatusInACluster, TheLeaderRemovesAnEntryThatIsNotRenewed) {
  PolicyCluster cluster;
  PolicyReplica first(cluster, "a");
  auto second = std::make_unique<PolicyReplica>(cluster, "b", [] { return false; });
  ASSERT_TRUE(cluster.create("batch", kMutex));
  cluster.world.run_for(kApplied);
  second.reset();  // killed
  cluster.world.run_for(minutes(28));
  EXPECT_EQ(instances(cluster.policy("batch")), (std::set<std::string>{"a", "b"}));
  cluster.world.run_for(minutes(4));
  const Json policy = cluster.policy("batch");
  EXPECT_EQ(instances(policy), std::set<std::string>{"a"});
  EXPECT_EQ(owners(policy).count("podkeeper-b"), 0u) << policy.dump();
}

TEST(PolicyStatusInACluster, AnEntryThatIsRenewedStays) {
  PolicyCluster cluster;
  PolicyReplica first(cluster, "a"), second(cluster, "b", [] { return false; });
  ASSERT_TRUE(cluster.create("batch", kMutex));
  cluster.world.run_for(kApplied);
  const Json before = cluster.policy("batch");
  cluster.world.run_for(std::chrono::hours(2));
  const Json policy = cluster.policy("batch");
  EXPECT_EQ(instances(policy), (std::set<std::string>{"a", "b"}));
  // A renewal is all that was written: two instances, every ten minutes.
  for (const Json& entry : policy.at("status").at("instances")) {
    EXPECT_NE(entry.at("lastHeartbeatTime"),
              before.at("status").at("instances").at(0).at("lastHeartbeatTime"));
  }
}

TEST(PolicyStatusInACluster, AFieldThatAnotherManagerTakesIsTakenBackAndTold) {
  PolicyCluster cluster;
  PolicyReplica only(cluster, "a");
  ASSERT_TRUE(cluster.create("batch", kMutex));
  cluster.world.run_for(kApplied);
  cluster.take_status("batch", "other", R"({"activeStrategy":"Sharded"})");
  cluster.world.run_for(seconds(3));
  const Json policy = cluster.policy("batch");
  EXPECT_EQ(policy.at("status").at("activeStrategy"), "Mutex");
  EXPECT_EQ(owners(policy).count("other"), 0u) << policy.dump();
  EXPECT_EQ(events(cluster, "StatusConflict"), 1);
  faults::record({.row = 12,
                  .outcome = "a conflict over a field of the status is told, then taken back by "
                             "force, once; the others' fields stay",
                  .evidence = "Event StatusConflict",
                  .recovery = {}});
}

TEST(PolicyStatusInACluster, WhatAnotherManagerAddsBesideItStays) {
  PolicyCluster cluster;
  PolicyReplica only(cluster, "a");
  ASSERT_TRUE(cluster.create("batch", kMutex));
  cluster.world.run_for(kApplied);
  cluster.take_status(
      "batch", "reviewer",
      R"({"conditions":[{"type":"example.com/Reviewed","status":"True","reason":"Read",)"
      R"("message":"","lastTransitionTime":"2026-11-20T09:46:00Z"}]})");
  cluster.patch("batch", R"({"strategy":"RWMutex"})");
  cluster.world.run_for(kApplied);
  EXPECT_EQ(cluster.policy("batch").at("status").at("activeStrategy"), "RWMutex");
  EXPECT_EQ(cluster.condition("batch", "example.com/Reviewed").at("status"), "True");
  EXPECT_EQ(events(cluster, "StatusConflict"), 0);
}

TEST(PolicyStatusInACluster, AManagerThatInsistsIsNotFoughtAtAHighRate) {
  PolicyCluster cluster;
  PolicyReplica only(cluster, "a");
  ASSERT_TRUE(cluster.create("batch", kMutex));
  cluster.world.run_for(kApplied);
  int taken_back = 0;
  for (int i = 0; i < 600; ++i) {
    if (cluster.policy("batch").at("status").value("activeStrategy", "") == "Mutex") ++taken_back;
    cluster.take_status("batch", "other", R"({"activeStrategy":"Sharded"})");
    cluster.world.run_for(milliseconds(500));
  }
  // Five minutes: a burst of two and two a minute, and the first look.
  EXPECT_GE(taken_back, 5);
  EXPECT_LE(taken_back, 14);
  cluster.world.run_for(minutes(1));
  EXPECT_EQ(cluster.policy("batch").at("status").at("activeStrategy"), "Mutex");
  EXPECT_EQ(events(cluster, "StatusConflict"), 1);
}

}  // namespace
}  // namespace podkeeper
