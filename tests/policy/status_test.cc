#include "pkg/policy/status.h"

#include <gtest/gtest.h>

#include <string>

namespace podkeeper::policy {
namespace {

Status some_status() {
  return {.observed_generation = 3,
          .active_strategy = "LockFree",
          .entries = 12,
          .conditions = {{.type = "Accepted",
                          .holds = true,
                          .reason = "Valid",
                          .message = "a \"quoted\" message",
                          .observed_generation = 3,
                          .last_transition = 1'763'629'200}},
          .instances = {{.instance = "podkeeper-0",
                         .heartbeat = 1'763'629'300,
                         .strategy = "LockFree",
                         .shards = 256,
                         .entries = 12,
                         .last_migration = 1'763'629'201,
                         .migration_milliseconds = 4,
                         .reads_per_second_before = 100,
                         .reads_per_second_after = 200,
                         .p99_before_nanoseconds = 900,
                         .p99_after_nanoseconds = 300},
                        {.instance = "podkeeper-1"}}};
}

TEST(PolicyStatus, IsReadAsItWasWritten) {
  Status held = read_status(summary_configuration("a", some_status()));
  EXPECT_TRUE(held.instances.empty());
  held.instances = some_status().instances;
  EXPECT_EQ(held, some_status());
  for (const InstanceStatus& instance : some_status().instances) {
    EXPECT_EQ(read_status(instance_configuration("a", instance)), Status{.instances = {instance}});
  }
  EXPECT_EQ(read_status(empty_configuration("a")), Status{});
}

TEST(PolicyStatus, AConfigurationNamesItsObjectAndNothingThatIsNotItsOwn) {
  EXPECT_EQ(empty_configuration("a"),
            R"({"apiVersion":"podkeeper.dev/v1alpha1","kind":"ConcurrentMapPolicy",)"
            R"("metadata":{"name":"a"}})");
  const std::string summary = summary_configuration("a", {});
  for (const char* absent : {"instances", "activeStrategy", "entries", "null"}) {
    EXPECT_EQ(summary.find(absent), std::string::npos) << absent;
  }
}

TEST(PolicyStatus, PruningKeepsTheOtherEntriesWhateverIsInThem) {
  const std::string object =
      R"({"metadata":{"resourceVersion":"77"},"status":{"entries":1,"instances":[)"
      R"({"instance":"a"},{"instance":"b","later":{"x":1}},{"instance":"c"}]}})";
  EXPECT_EQ(pruning_patch(object, {"a", "c"}),
            R"({"metadata":{"resourceVersion":"77"},)"
            R"("status":{"instances":[{"instance":"b","later":{"x":1}}]}})");
}

TEST(PolicyStatus, WhatSomebodyElseWroteWrongCountsAsAbsent) {
  EXPECT_EQ(read_status("not json"), Status{});
  EXPECT_EQ(read_status(R"({"status":7})"), Status{});
  EXPECT_EQ(read_status(R"({"status":{"entries":-1,"observedGeneration":1e300,"activeStrategy":[],)"
                        R"("conditions":[{"type":"Ready","status":true},7],"instances":{"a":1}}})"),
            Status{});
  EXPECT_EQ(read_status(R"({"status":{"entries":18446744073709551615}})"), Status{});
}

TEST(PolicyStatus, ATransitionTimeMovesOnlyWithItsStatus) {
  const std::vector<Condition> before = {{.type = "Ready", .holds = true, .last_transition = 5},
                                         {.type = "Applied", .holds = false, .last_transition = 6}};
  const auto now = carry_times(before,
                               {{.type = "Ready", .holds = true, .reason = "Other"},
                                {.type = "Applied", .holds = true},
                                {.type = "Accepted", .holds = true}},
                               9);
  EXPECT_EQ(now[0].last_transition, 5);
  EXPECT_EQ(now[1].last_transition, 9);
  EXPECT_EQ(now[2].last_transition, 9);
}

TEST(PolicyStatus, CountsAloneAreASmallerGapThanContent) {
  Status wanted = some_status();
  EXPECT_EQ(summary_gap(some_status(), wanted), Gap::kNone);
  wanted.entries = 99;
  EXPECT_EQ(summary_gap(some_status(), wanted), Gap::kCounts);
  wanted.conditions[0].message = "another";
  EXPECT_EQ(summary_gap(some_status(), wanted), Gap::kContent);

  const InstanceStatus held = some_status().instances[0];
  InstanceStatus ours = held;
  ours.heartbeat = 1;
  EXPECT_EQ(instance_gap(&held, ours), Gap::kNone);
  ours.entries = 99;
  EXPECT_EQ(instance_gap(&held, ours), Gap::kCounts);
  ours.entries.reset();
  EXPECT_EQ(instance_gap(&held, ours), Gap::kContent);
  EXPECT_EQ(instance_gap(nullptr, ours), Gap::kContent);
}

TEST(PolicyStatus, AConditionOfSomebodyElseIsNoGap) {
  Status held = some_status();
  held.conditions.push_back({.type = "example.com/Reviewed", .holds = true});
  EXPECT_EQ(summary_gap(held, some_status()), Gap::kNone);
}

}  // namespace
}  // namespace podkeeper::policy
