#include "pkg/state/map_migration.h"

#include "pkg/base/epoch.h"
#include "pkg/runtime/simulated_world.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

namespace podkeeper::state {
namespace {

using namespace std::chrono_literals;
using base::Epoch;
using base::Task;

class Named final : public cmap::Record {
 public:
  explicit Named(std::string key) : text_(std::move(key)) {
    set_key(cmap::make_key(text_), sizeof(*this));
  }

 private:
  std::string text_;
};
using Map = cmap::Map<Named>;

constexpr std::size_t kRecords = 5'000;

void fill(Map& map) {
  for (std::size_t i = 0; i < kRecords; ++i) {
    map.put(base::make_ref<const Named>("ns/" + std::to_string(i)));
  }
}

base::Result<MigrationReport> run(Map& map, cmap::MapOptions to, MigrationLimits limits) {
  runtime::SimulatedWorld world(1);
  base::Result<MigrationReport> outcome = MigrationReport{};
  auto body = [&]() -> Task<void> {
    auto migrating = migrate(world.clock(), map, to, limits);
    outcome = co_await std::move(migrating);
  };
  world.run_task(body);
  return outcome;
}

TEST(MapMigration, ReportsWhatItTook) {
  Map map(cmap::MapOptions{.strategy = cmap::Strategy::kMutex});
  fill(map);
  const auto report = run(map, {.strategy = cmap::Strategy::kLockFree}, {.step_keys = 500});
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_EQ(report->copied, kRecords);
  EXPECT_GE(report->duration, 10ms) << "a pause between any two steps";
  EXPECT_LT(report->duration, 1s);
  EXPECT_EQ(report->before.per_second, 0) << "nobody read";
  EXPECT_EQ(map.stats().strategy, cmap::Strategy::kLockFree);
  EXPECT_EQ(map.size(), kRecords);
}

TEST(MapMigration, LeavesTheOldStrategyServingAfterItsTime) {
  Map map(cmap::MapOptions{.strategy = cmap::Strategy::kMutex});
  fill(map);
  const auto report =
      run(map, {.strategy = cmap::Strategy::kLockFree}, {.timeout = 3ms, .step_keys = 100});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, base::ErrorCode::kTimeout);
  EXPECT_NE(report.error().message.find("LockFree"), std::string::npos) << report.error().message;
  EXPECT_EQ(map.stats().strategy, cmap::Strategy::kMutex);
  EXPECT_EQ(map.stats().migrations_aborted, 1u);
  EXPECT_EQ(map.size(), kRecords);
}

TEST(MapMigration, IsRefusedWhileAnotherRuns) {
  Map map;
  auto first = map.migrate({.strategy = cmap::Strategy::kMutex});
  const auto second = run(map, {.strategy = cmap::Strategy::kRWMutex}, {});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, base::ErrorCode::kConflict);
}

}  // namespace
}  // namespace podkeeper::state
