#include "tests/leader/support/takeovers.h"

#include <gtest/gtest.h>

#include <chrono>

#include "tests/faults/record.h"

namespace podkeeper::leader {
namespace {

using namespace std::chrono_literals;

TEST(Takeovers, TwoNeverLeadAndTheNextOneLeadsInTime) {
  const auto report = testing::run_takeovers({.seed = 1, .takeovers = 200});
  EXPECT_GE(report.takeovers, 200u);
  EXPECT_TRUE(report.violations.empty()) << report.violations.front();
  EXPECT_LE(report.slowest, 17s);               // lease duration + retry period
  EXPECT_LE(report.slowest_after_release, 2s);  // retry period
  EXPECT_GT(report.releases, 10u);
  EXPECT_GT(report.kills, 10u);
  EXPECT_GT(report.stops, 10u);
  EXPECT_GT(report.cuts, 10u);
  EXPECT_GT(report.survived, 0u);
  EXPECT_GT(report.writes, 1'000u);
  faults::record({.row = 78,
                  .outcome = "200 take-overs with stopped, killed and cut replicas: two never "
                             "write, who slept writes nothing after its lease",
                  .evidence = "leader_election_master_status",
                  .recovery = report.slowest});
}

}  // namespace
}  // namespace podkeeper::leader
