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
  EXPECT_EQ(read_status(status_patch(some_status(), {7})), some_status());
  EXPECT_EQ(read_status(status_patch({}, {7})), Status{});
}

TEST(PolicyStatus, APatchHoldsOnlyForTheRevisionThatWasRead) {
  EXPECT_NE(status_patch({}, {77}).find(R"("metadata":{"resourceVersion":"77"})"),
            std::string::npos);
}

TEST(PolicyStatus, APatchRemovesWhatNoLongerHolds) {
  const std::string patch = status_patch({}, {7});
  EXPECT_NE(patch.find(R"("activeStrategy":null)"), std::string::npos);
  EXPECT_NE(patch.find(R"("entries":null)"), std::string::npos);
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

TEST(PolicyStatus, AnInstanceReplacesItsOwnEntryAlone) {
  auto instances =
      with_instance({{.instance = "a"}, {.instance = "b"}}, {.instance = "a", .strategy = "Mutex"});
  ASSERT_EQ(instances.size(), 2u);
  EXPECT_EQ(instances[0].strategy, "Mutex");
  for (int i = 0; i < 200; ++i) {
    instances = with_instance(std::move(instances), {.instance = "x" + std::to_string(i)});
  }
  EXPECT_EQ(instances.size(), Status::kInstancesMax);
  EXPECT_EQ(instances.back().instance, "x199");
}

TEST(PolicyStatus, CountsAloneAreNoChangeWorthWritingAtOnce) {
  Status other = some_status();
  other.entries = 99;
  other.instances[0].entries = 99;
  EXPECT_TRUE(same_but_counts(some_status(), other));
  other.instances[0].strategy = "Mutex";
  EXPECT_FALSE(same_but_counts(some_status(), other));
}

}  // namespace
}  // namespace podkeeper::policy
