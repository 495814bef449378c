#include "pkg/base/epoch.h"
#include "pkg/cmap/map.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "tests/cmap/support/linearizability.h"
#include "tests/cmap/support/recorder.h"
#include "tests/cmap/support/switching.h"
#include "tests/cmap/support/text_record.h"

namespace podkeeper::cmap::testing {
namespace {

using base::Epoch;

constexpr std::uint64_t kSeeds = 400;

/// Between what a map changes, there and back.
struct Between {
  MapOptions one;
  MapOptions other;
};
const Between kBetween[] = {
    {{.strategy = Strategy::kMutex}, {.strategy = Strategy::kSharded, .shards = 4}},
    {{.strategy = Strategy::kSyncMap}, {.strategy = Strategy::kCopyOnWrite}},
};

/// What one recorded run under swaps disproves; empty: nothing.
std::string fault_in_a_recorded_run(SwitchBug bug, const Between& between, std::uint64_t seed,
                                    std::size_t* operations) {
  Switching map(between.other, bug);
  Recorded recorded;
  {
    const Swapper swapper(
        map.map(),
        {.route = {between.one, between.other}, .budget = 64, .make = make_switchover(bug)});
    recorded = record(map, {.operations = 2'000, .keys = 24, .fillers = 600, .seed = seed});
  }
  *operations += recorded.history.size();
  if (!recorded.broken.empty()) return recorded.broken;
  const Verdict v = check_linearizable(recorded.history);
  if (v.kind == Verdict::Kind::kViolated) return v.why;
  std::size_t shown = 0;
  map.for_each(Epoch::Guard(), [&](const Record&) { ++shown; });
  if (shown != map.size()) return "size() is not what a walk shows";
  return "";
}

/// How many counts are on a record: gives them back until the last, and takes them again.
std::uint32_t counts_of(const Text& record) {
  std::uint32_t counts = 1;
  while (!record.drop_ref()) ++counts;
  for (std::uint32_t i = 0; i < counts; ++i) record.add_ref();
  return counts;
}

/// Whether every record has the counts that it should have after a swap.
std::string fault_in_the_counts(SwitchBug bug, const Between& between, std::size_t* operations) {
  constexpr std::size_t kRecords = 1'000;
  SwitchedMap map(between.one);
  std::vector<base::Ref<const Text>> mine;
  std::vector<base::Ref<const Text>> mine_too;  // so that none is freed by a fault
  for (std::size_t i = 0; i < kRecords; ++i) {
    mine.push_back(text(std::to_string(i), 1));
    map.put(mine.back());
  }
  mine_too = mine;
  run_to_end(map, between.other, 100, make_switchover(bug));
  for (int i = 0; i < 3; ++i) Epoch::collect();
  *operations += kRecords;
  std::string fault;
  for (const auto& record : mine) {
    const std::uint32_t counts = counts_of(*record);
    if (counts != 3)
      fault = "a record of two holders and a map has " + std::to_string(counts) + " counts";
    // What is right for those who hold it, so that nothing leaks and nothing is freed twice.
    const bool in_map = map.find(Epoch::Guard(), record->key()) == record.get();
    const std::uint32_t holders = in_map ? 3 : 2;
    for (std::uint32_t i = counts; i < holders; ++i) record->add_ref();
    for (std::uint32_t i = holders; i < counts; ++i) (void)record->drop_ref();
  }
  return fault;
}

/// Whether a walk that began before the flip sees every key, however far the migration gets on
/// meanwhile.
std::string fault_in_a_walk(SwitchBug bug, const Between& between, std::size_t* operations) {
  constexpr std::size_t kRecords = 1'000;
  SwitchedMap map(between.one);
  for (std::size_t i = 0; i < kRecords; ++i) map.put(text(std::to_string(i), 1));
  auto migration = map.migrate(between.other, make_switchover(bug));
  while (migration->progress().phase == MigrationPhase::kAnnounced) migration->step(1);
  std::size_t shown = 0;
  map.for_each(Epoch::Guard(), [&](const Record&) {
    migration->step(100);
    ++shown;
  });
  *operations += kRecords;
  if (shown == kRecords) return "";
  return "a walk showed " + std::to_string(shown) + " of 1000 keys that stayed";
}

/// Whether a write is kept that began before the migration and ends long after.
std::string fault_in_a_late_write(SwitchBug bug, const Between& between, std::size_t* operations) {
  Gate gate;
  SwitchedMap map(between.one);
  run_to_end(map, between.one, 100, make_gated(gate));
  std::jthread writer([&] { map.put(text("late", 1)); });
  gate.arrived.wait(false);
  {
    auto migration = map.migrate(between.other, make_switchover(bug));
    for (int i = 0; i < 100 && !migration->progress().flipped; ++i) migration->step(100);
    gate.open = true;
    gate.open.notify_all();
    writer.join();
    while (!migration->progress().flipped) migration->step(100);
  }
  ++*operations;
  const bool found = map.find(Epoch::Guard(), make_key("late")) != nullptr;
  return found ? "" : "a put that began before the migration is lost";
}

std::string fault_in(SwitchBug bug, const Between& between, std::uint64_t seed,
                     std::size_t* operations) {
  std::string fault = fault_in_the_counts(bug, between, operations);
  if (!fault.empty() || bug == SwitchBug::kDoubleRetire || bug == SwitchBug::kLeak) return fault;
  fault = fault_in_a_walk(bug, between, operations);
  if (fault.empty()) fault = fault_in_a_late_write(bug, between, operations);
  return fault.empty() ? fault_in_a_recorded_run(bug, between, seed, operations) : fault;
}

class PlantedSwitchBug : public ::testing::TestWithParam<std::tuple<SwitchBug, Between>> {};
INSTANTIATE_TEST_SUITE_P(Bugs, PlantedSwitchBug,
                         ::testing::Combine(::testing::ValuesIn(kSwitchBugs),
                                            ::testing::ValuesIn(kBetween)),
                         [](const auto& each) {
                           return std::string(to_string(std::get<SwitchBug>(each.param))) + "From" +
                                  cmap::to_string(std::get<Between>(each.param).one.strategy);
                         });

TEST_P(PlantedSwitchBug, IsFound) {
  const auto& [bug, between] = GetParam();
  std::size_t operations = 0;
  std::string fault;
  std::uint64_t seed = 0;
  while (fault.empty() && seed < kSeeds) fault = fault_in(bug, between, ++seed, &operations);
  EXPECT_NE(fault, "") << "not seen in " << operations << " operations";
  std::printf("%s: found with seed %llu after %zu operations: %s\n", to_string(bug),
              static_cast<unsigned long long>(seed), operations,
              fault.substr(0, fault.find('\n')).c_str());
}

TEST(PlantedSwitchBug, IsNotSeenWhereThereIsNone) {
  std::size_t operations = 0;
  for (const Between& between : kBetween) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      EXPECT_EQ(fault_in(SwitchBug::kNone, between, seed, &operations), "") << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace podkeeper::cmap::testing
