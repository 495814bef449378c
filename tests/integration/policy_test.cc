#include "pkg/telemetry/metric_names.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/faults/record.h"
#include "tests/integration/policy_cluster.h"
#include "tests/policy/bad_policies.h"

namespace podkeeper {
namespace {

using policy::testing::BadPolicy;
using std::chrono::milliseconds;

/// A cluster and one replica.
class Governed : public PolicyCluster {
 public:
  explicit Governed(bool validate = true) : PolicyCluster(validate), replica(*this, "replica-0") {}
  PolicyReplica replica;
};

TEST(PolicyInACluster, IsAppliedWithinTwoSecondsAndItsStatusSaysSo) {
  Governed governed;
  EXPECT_EQ(governed.replica.partitions(), "default:Sharded");
  ASSERT_TRUE(governed.create("batch", R"({"strategy":"Mutex","target":{"resources":["pods"]}})"));
  governed.world.run_for(kApplied);
  EXPECT_EQ(governed.replica.partitions(), "batch:Mutex default:Sharded");
  const Json status = governed.policy("batch").at("status");
  EXPECT_EQ(status.at("activeStrategy"), "Mutex");
  EXPECT_EQ(status.at("observedGeneration"), 1);
  EXPECT_EQ(status.at("entries"), governed.replica.pods->stats().objects);
  EXPECT_EQ(status.at("instances").at(0).at("instance"), "replica-0");
  for (const char* type : {"Accepted", "Applied", "Ready"}) {
    EXPECT_EQ(governed.condition("batch", type).at("status"), "True") << type;
  }
  EXPECT_TRUE(governed.replica.controller->check_applied());
}

TEST(PolicyInACluster, DeletedItGivesItsObjectsBackToTheDefault) {
  Governed governed;
  ASSERT_TRUE(governed.create("batch", R"({"strategy":"Mutex"})"));
  governed.world.run_for(kApplied);
  EXPECT_EQ(governed.replica.partitions(), "batch:Mutex default:Sharded");
  governed.remove("batch");
  governed.world.run_for(kApplied);
  EXPECT_EQ(governed.replica.partitions(), "default:Sharded");
}

TEST(PolicyInACluster, TheLoserOfAConflictIsToldWhoWon) {
  Governed governed;
  ASSERT_TRUE(governed.create("loser", R"({"strategy":"RWMutex"})"));
  ASSERT_TRUE(governed.create("winner", R"({"strategy":"Mutex","priority":5})"));
  governed.world.run_for(kApplied);
  EXPECT_EQ(governed.replica.partitions(), "winner:Mutex default:Sharded");
  const Json applied = governed.condition("loser", "Applied");
  EXPECT_EQ(applied.at("status"), "False");
  EXPECT_EQ(applied.at("reason"), "Conflict");
  EXPECT_NE(applied.at("message").get<std::string>().find("\"winner\""), std::string::npos);
  EXPECT_EQ(governed.condition("loser", "Accepted").at("status"), "True");
  governed.remove("winner");
  governed.world.run_for(kApplied);
  EXPECT_EQ(governed.replica.partitions(), "loser:RWMutex default:Sharded");
  EXPECT_EQ(governed.condition("loser", "Ready").at("status"), "True");
  faults::record(
      {.row = 65,
       .outcome = "one winner by rank; the loser is told who won, and governs once the winner goes",
       .evidence = "podkeeper_policies{state=\"conflict\"}; condition Applied, reason Conflict",
       .recovery = {}});
}

TEST(PolicyInACluster, AHundredFlapsASecondAreFewApplicationsAndTheLastStateWins) {
  Governed governed;
  ASSERT_TRUE(governed.create("flapping", R"({"strategy":"Mutex"})"));
  governed.world.run_for(kApplied);
  auto& applications =
      governed.replica.metrics.counter(telemetry::kPolicyApplications, {"pods", "success"});
  const double before = applications.Value();
  for (int i = 0; i < 300; ++i) {
    governed.patch("flapping",
                   i % 2 == 0 ? R"({"strategy":"RWMutex"})" : R"({"strategy":"Mutex"})");
    governed.world.run_for(milliseconds(10));
  }
  governed.patch("flapping", R"({"strategy":"RWMutex"})");
  governed.world.run_for(kApplied);
  EXPECT_EQ(governed.replica.partitions(), "flapping:RWMutex default:Sharded");
  EXPECT_LE(applications.Value() - before, 12);
  const Json object = governed.policy("flapping");
  EXPECT_GE(object.at("/metadata/generation"_json_pointer), 300);
  for (const char* type : {"Accepted", "Applied", "Ready"}) {
    const Json condition = governed.condition("flapping", type);
    EXPECT_EQ(condition.at("status"), "True") << type;
    EXPECT_EQ(condition.at("observedGeneration"), object.at("/metadata/generation"_json_pointer));
  }
  faults::record(
      {.row = 65,
       .outcome = "300 flaps are at most 12 applications, and the last state wins within 2 s",
       .evidence = "podkeeper_policy_applications_total",
       .recovery = {}});
}

TEST(PolicyInACluster, AQuietStatusIsNotWrittenAgain) {
  Governed governed;
  ASSERT_TRUE(governed.create("batch", R"({"strategy":"Mutex"})"));
  governed.world.run_for(kApplied);
  const Json before = governed.policy("batch");
  governed.world.run_for(std::chrono::minutes(5));
  EXPECT_EQ(governed.policy("batch"), before);
}

TEST(PolicyInACluster, ARestartedControllerAppliesItAgainAndChangesNothingInItsStatus) {
  Governed governed;
  ASSERT_TRUE(governed.create("batch", R"({"strategy":"Mutex"})"));
  governed.world.run_for(kApplied);
  const Json before = governed.policy("batch");
  governed.replica.stop();
  governed.replica.start();
  EXPECT_EQ(governed.replica.partitions(), "batch:Mutex default:Sharded");
  EXPECT_EQ(governed.policy("batch"), before);
}

/// The server's reader refuses it only where the writer asks for strictness, as kubectl does.
bool only_strictly_refused(const BadPolicy& bad) { return bad.file == "spec-duplicate-key.json"; }

/// Without the server's validation, each bad policy that arrives at all gets a condition that names
/// field and value, and what ran before goes on.
TEST(BadPolicyInACluster, GetsAConditionThatNamesFieldAndValueWhileTheRunningStrategyStays) {
  Governed governed(false);
  ASSERT_TRUE(governed.create("good", R"({"strategy":"Mutex"})"));
  governed.world.run_for(kApplied);
  std::size_t arrived = 0;
  for (const BadPolicy& bad : policy::testing::bad_policies()) {
    const auto created = governed.create(bad.text);
    if (bad.refused_by == "syntax") {
      EXPECT_EQ(created.has_value(), only_strictly_refused(bad)) << bad.file;
      continue;
    }
    ASSERT_TRUE(created) << bad.file << ": " << created.error().message;
    ++arrived;
    governed.world.run_for(kApplied);
    const std::string name = bad.file.substr(0, bad.file.find('.'));
    const Json accepted = governed.condition(name, "Accepted");
    ASSERT_EQ(accepted.value("status", ""), "False") << bad.file;
    const std::string message = accepted.at("message");
    EXPECT_NE(message.find(bad.field), std::string::npos) << bad.file << ": " << message;
    EXPECT_NE(message.find(bad.value), std::string::npos) << bad.file << ": " << message;
    EXPECT_EQ(governed.replica.partitions(), "good:Mutex default:Sharded") << bad.file;
    governed.remove(name);
  }
  EXPECT_GE(arrived, 40u);
  faults::record({.row = 64,
                  .outcome = "each of more than 40 bad policies has a condition that names field "
                             "and value; the running strategy stays",
                  .evidence = "podkeeper_policy_rejected_total; condition Accepted",
                  .recovery = {}});
}

TEST(BadPolicyInACluster, IsRefusedByTheServerWhereTheSchemaSaysSo) {
  Governed governed;
  std::size_t refused = 0;
  for (const BadPolicy& bad : policy::testing::bad_policies()) {
    const bool syntax = bad.refused_by == "syntax" && !only_strictly_refused(bad);
    if (bad.refused_by != "schema" && !syntax) continue;
    const auto created = governed.create(bad.text);
    EXPECT_FALSE(created) << bad.file;
    if (!created) ++refused;
  }
  EXPECT_GE(refused, 40u);
}

TEST(BadPolicyInACluster, ThatWasGoodBeforeStaysInForceAsItWas) {
  Governed governed(false);
  ASSERT_TRUE(governed.create("batch", R"({"strategy":"Mutex"})"));
  governed.world.run_for(kApplied);
  governed.patch("batch", R"({"shards":1099511627776})");
  governed.world.run_for(kApplied);
  EXPECT_EQ(governed.replica.partitions(), "batch:Mutex default:Sharded");
  EXPECT_EQ(governed.condition("batch", "Accepted").at("reason"), "Invalid");
  EXPECT_EQ(governed.policy("batch").at("status").at("activeStrategy"), "Mutex");
}

}  // namespace
}  // namespace podkeeper
