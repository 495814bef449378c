#include "tests/controllers/race.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace podkeeper::controllers {
namespace {

TEST(PodStateRace, TwoWorkersAndTheSweeperShareOneMap) {
  testing::Race race({.duration = std::chrono::milliseconds(1500)});
  const testing::RaceReport report = race.run();
  EXPECT_EQ(report.differences, std::vector<std::string>{});
  EXPECT_EQ(report.went_back, std::vector<std::string>{});
  EXPECT_GT(report.changes, 100u);
  EXPECT_GT(report.reads, 100u);
}

}  // namespace
}  // namespace podkeeper::controllers
