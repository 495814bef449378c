#include "pkg/cmap/migration.h"

#include "pkg/base/epoch.h"
#include "pkg/base/panic.h"
#include "pkg/cmap/map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/cmap/support/forwarding_map.h"
#include "tests/cmap/support/linearizability.h"
#include "tests/cmap/support/recorder.h"
#include "tests/cmap/support/switching.h"
#include "tests/cmap/support/text_record.h"
#include "tests/faults/record.h"

namespace podkeeper::cmap::testing {
namespace {

using base::Epoch;
using Model = std::map<std::string, std::uint64_t>;
using Step = Migration::Step;

std::string name(std::uint64_t i) { return "ns/" + std::to_string(i); }

/// What a walk shows; fails where it shows a key twice.
Model contents(const SwitchedMap& map) {
  Model seen;
  map.for_each(Epoch::Guard(), [&](const Record& record) {
    const auto value = static_cast<const Text&>(record).value();
    EXPECT_TRUE(seen.emplace(record.key_text(), value).second) << record.key_text();
  });
  return seen;
}

void expect_holds(const SwitchedMap& map, const Model& model) {
  EXPECT_EQ(contents(map), model);
  EXPECT_EQ(map.size(), model.size());
  const Epoch::Guard guard;
  for (const auto& [key, value] : model) {
    const Record* found = map.find(guard, make_key(key));
    ASSERT_NE(found, nullptr) << key;
    EXPECT_EQ(static_cast<const Text*>(found)->value(), value);
  }
}

/// One of each kind of write, on keys of all parts of the map; the model follows.
void write_a_little(SwitchedMap& map, Model& model, std::uint64_t round) {
  const Epoch::Guard guard;
  const auto at = [&](std::uint64_t i) { return name((round * 37 + i * 101) % 1'000); };
  EXPECT_EQ(map.put(text(at(0), round)), !model.contains(at(0)));
  model[at(0)] = round;
  EXPECT_EQ(map.erase(make_key(at(1))), model.erase(at(1)) == 1);
  const Record* held = map.find(guard, make_key(at(2)));
  EXPECT_TRUE(map.compare_and_put(guard, held, text(at(2), round)));
  EXPECT_FALSE(map.compare_and_put(guard, nullptr, text(at(2), round + 1)));
  model[at(2)] = round;
  held = map.find(guard, make_key(at(3)));
  EXPECT_EQ(map.compare_and_erase(guard, make_key(at(3)), held), model.erase(at(3)) == 1);
}

/// Changes of one map's options into another's; every_change().
class MigrationOf : public ::testing::TestWithParam<Change> {
 protected:
  void SetUp() override {
    for (int i = 0; i < 3; ++i) Epoch::collect();  // what the tests before left
    ASSERT_EQ(Text::alive, 0);
  }
  void TearDown() override {
    map_.reset();
    for (int i = 0; i < 3; ++i) Epoch::collect();  // a table, then the records it held
    EXPECT_EQ(Text::alive, 0) << "a count was lost or given back twice";
  }

  [[nodiscard]] static MapOptions from() { return GetParam().from; }
  [[nodiscard]] static MapOptions to() { return GetParam().to; }
  void fill(std::uint64_t count) {
    map_ = std::make_unique<SwitchedMap>(from());
    model_.clear();
    for (std::uint64_t i = 0; i < count; ++i) {
      map_->put(text(name(i), i));
      model_[name(i)] = i;
    }
  }

  std::unique_ptr<SwitchedMap> map_;
  Model model_;
};

INSTANTIATE_TEST_SUITE_P(Changes, MigrationOf, ::testing::ValuesIn(every_change()),
                         [](const auto& each) { return to_string(each.param); });

TEST_P(MigrationOf, KeepsEveryRecordAndCountsOnlyWhatWasAsked) {
  fill(3'000);
  const std::size_t table_bytes = map_->stats().table_bytes;
  auto migration = map_->migrate(to());
  ASSERT_TRUE(migration.has_value());
  EXPECT_EQ(map_->stats().migration, MigrationPhase::kAnnounced);
  while (!migration->progress().flipped) ASSERT_NE(migration->step(100), Step::kDone);
  EXPECT_EQ(migration->progress().copied, 3'000u);
  EXPECT_EQ(migration->progress().entries, 3'000u);
  EXPECT_EQ(map_->stats().migration, MigrationPhase::kRetiring);
  EXPECT_GT(map_->stats().table_bytes, table_bytes) << "both tables count";
  while (migration->step(100) != Step::kDone) {
  }
  expect_holds(*map_, model_);
  const MapStats stats = map_->stats();
  EXPECT_EQ(stats.strategy, to().strategy);
  EXPECT_EQ(stats.hash, to().hash);
  EXPECT_EQ(stats.migration, MigrationPhase::kNone);
  EXPECT_EQ(stats.migrations, 1u);
  EXPECT_EQ(stats.puts, 3'000u);
  EXPECT_EQ(stats.finds, 3'000u);
  EXPECT_EQ(stats.erases, 0u);
}

TEST_P(MigrationOf, MovesWhatIsWrittenBetweenAnyTwoSteps) {
  fill(1'000);
  auto migration = map_->migrate(to());
  ASSERT_TRUE(migration.has_value());
  for (std::uint64_t round = 1; migration->step(20) != Step::kDone; ++round) {
    write_a_little(*map_, model_, round);
  }
  expect_holds(*map_, model_);
}

TEST_P(MigrationOf, LeavesTheOldStrategyServingWhereverItIsAborted) {
  bool ended = false;
  for (int steps = 0; !ended; ++steps) {
    fill(600);
    bool flipped = false;
    {
      auto migration = map_->migrate(to());
      ASSERT_TRUE(migration.has_value());
      for (int i = 0; i < steps && !ended; ++i) {
        ended = migration->step(200) == Step::kDone;
        write_a_little(*map_, model_, static_cast<std::uint64_t>(i) + 1);
      }
      flipped = migration->progress().flipped;
    }
    write_a_little(*map_, model_, 77);
    expect_holds(*map_, model_);
    const MapStats stats = map_->stats();
    EXPECT_EQ(stats.strategy, flipped ? to().strategy : from().strategy);
    EXPECT_EQ(stats.migrations, flipped ? 1u : 0u);
    EXPECT_EQ(stats.migrations_aborted, flipped ? 0u : 1u);
    EXPECT_EQ(stats.migration, MigrationPhase::kNone);
    EXPECT_TRUE(map_->migrate(to()).has_value()) << "another may begin";
  }
  faults::record(
      {.row = 32,
       .outcome =
           "aborted at each step, the old strategy serves all records and another change may begin",
       .evidence = "the policy's condition Applied; /state/v1/maps",
       .recovery = {}});
}

TEST_P(MigrationOf, TakesTheNewTableApartInStepsAfterAnAbort) {
  fill(1'000);
  auto migration = map_->migrate(to());
  ASSERT_TRUE(migration.has_value());
  while (migration->progress().copied < 300) migration->step(100);
  migration->abort();
  while (migration->step(100) != Step::kDone) write_a_little(*map_, model_, 5);
  expect_holds(*map_, model_);
  EXPECT_FALSE(migration->progress().flipped);
  EXPECT_EQ(map_->stats().strategy, from().strategy);
}

TEST_P(MigrationOf, ShowsAWalkThatBeganBeforeItEachKeyOnce) {
  fill(1'000);
  auto migration = map_->migrate(to());
  ASSERT_TRUE(migration.has_value());
  while (migration->progress().phase == MigrationPhase::kAnnounced) migration->step(1);
  std::map<std::string, int> seen;
  map_->for_each(Epoch::Guard(), [&](const Record& record) {
    ++seen[std::string(record.key_text())];
    if (seen.size() % 10 != 0 || migration->progress().flipped) return;
    migration->step(30);
    map_->put(text("new/" + std::to_string(seen.size()), 1));
    map_->erase(record.key());
    map_->put(text(record.key_text(), 2));
  });
  EXPECT_TRUE(migration->progress().flipped);
  for (std::uint64_t i = 0; i < 1'000; ++i) EXPECT_EQ(seen[name(i)], 1) << i;
  for (const auto& [key, times] : seen) EXPECT_LE(times, 1) << key;
}

TEST_P(MigrationOf, IsLinearizableThereAndBackUnderReadersWritersAndWalks) {
  Switching map(from());
  Recorded recorded;
  {
    Swapper swapper(map.map(), {.route = {to(), from()}});
    recorded = record(map, {.operations = 2'000, .keys = 24, .fillers = 600, .enough = [&] {
                              return swapper.swaps() > 0;
                            }});
    EXPECT_GT(swapper.swaps(), 0u);
  }
  const Verdict v = check_linearizable(recorded.history);
  EXPECT_EQ(v.kind, Verdict::Kind::kLinearizable) << v.why;
  EXPECT_EQ(recorded.broken, "");
  EXPECT_EQ(contents(map.map()).size(), map.size());
  faults::record({.row = 31,
                  .outcome = "every pair of strategies, there and back under load: linearizable, "
                             "no key lost or doubled",
                  .evidence = "podkeeper_map_info; /state/v1/maps",
                  .recovery = {}});
}

/// What a migration out of each strategy costs the writers.
class MigrationOut : public ::testing::TestWithParam<Strategy> {};
INSTANTIATE_TEST_SUITE_P(Strategies, MigrationOut, ::testing::ValuesIn(kStrategies),
                         [](const auto& each) { return cmap::to_string(each.param); });

TEST_P(MigrationOut, HoldsAWriterUpForOneShortStretchAtATime) {
  constexpr std::uint64_t kRecords = 60'000;
  constexpr std::size_t kStretchMax = 512;  // more than any strategy's segment or stretch holds
  SwitchedMap map(MapOptions{.strategy = GetParam(), .shards = 4});
  for (std::uint64_t i = 0; i < kRecords; ++i) map.put(text(name(i), i));
  for (const bool settled : {false, true}) {
    // What has been read is in SyncMap's read tables, before that in its dirty ones.
    for (std::uint64_t i = 0; settled && i < kRecords; ++i) {
      map.find(Epoch::Guard(), make_key(name(i)));
    }
    auto migration = map.migrate({.strategy = Strategy::kLockFree});
    ASSERT_TRUE(migration.has_value());
    while (migration->progress().phase == MigrationPhase::kAnnounced) migration->step(1);
    std::size_t longest = 0;
    std::size_t steps = 0;
    for (; migration->progress().copied < kRecords - kStretchMax; ++steps) {
      const std::size_t before = migration->progress().copied;
      migration->step(1);  // of one record: what is locked at once, however small the budget
      longest = std::max(longest, migration->progress().copied - before);
      ASSERT_FALSE(migration->progress().flipped);
    }
    EXPECT_LE(longest, kStretchMax);
    EXPECT_GE(steps, kRecords / kStretchMax);
  }
  EXPECT_EQ(map.size(), kRecords);
}

TEST(Migration, MakesRoomForAllRecordsBeforeItCopiesTheFirst) {
  for (const Strategy to : {Strategy::kMutex, Strategy::kRWMutex}) {
    SwitchedMap map(MapOptions{.strategy = Strategy::kSharded, .shards = 4});
    for (std::uint64_t i = 0; i < 20'000; ++i) map.put(text(name(i), i));
    const std::size_t before = map.stats().table_bytes;
    auto migration = map.migrate({.strategy = to});
    while (migration->progress().phase == MigrationPhase::kAnnounced) migration->step(1);
    const std::size_t room = map.stats().table_bytes - before;
    while (!migration->progress().flipped) {
      migration->step(1'000);
      map.put(text("extra", 1));
      map.erase(make_key("extra"));  // a table that is nearly empty would shrink
    }
    while (migration->step(1'000) != Step::kDone) {
    }
    EXPECT_EQ(map.stats().table_bytes, room);
  }
}

TEST(Migration, IsRefusedWhileAnotherRuns) {
  Map<Text> map;
  {
    auto first = map.migrate({.strategy = Strategy::kMutex});
    ASSERT_TRUE(first.has_value());
    auto second = map.migrate({.strategy = Strategy::kRWMutex});
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, base::ErrorCode::kConflict);
    EXPECT_NE(second.error().message.find("Announced"), std::string::npos);
  }
  EXPECT_TRUE(map.migrate({.strategy = Strategy::kRWMutex}).has_value());
}

TEST(Migration, BeginsNothingForOptionsThatNoMapCanHave) {
  Map<Text> map;
  EXPECT_THROW((void)map.migrate({.shards = 3}), base::Panic);
  EXPECT_EQ(map.stats().migration, MigrationPhase::kNone);
  EXPECT_TRUE(map.migrate({.shards = 4}).has_value());
}

TEST(Migration, WaitsForTheGuardsThatWereHeldWhenItBegan) {
  Map<Text> map(MapOptions{.strategy = Strategy::kMutex});
  map.put(text("a", 1));
  std::atomic<int> stage{0};
  std::jthread reader([&] {
    for (const int held : {1, 3}) {
      const Epoch::Guard guard;
      stage = held;
      while (stage == held) std::this_thread::yield();
    }
  });
  while (stage != 1) std::this_thread::yield();
  auto migration = map.migrate({.strategy = Strategy::kSharded, .shards = 2});
  for (int i = 0; i < 100; ++i) ASSERT_EQ(migration->step(1), Step::kWaiting);
  stage = 2;
  while (stage != 3) std::this_thread::yield();
  // This guard is younger than the announcement, but may be in the table that the flip retires.
  while (!migration->progress().flipped) migration->step(1);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(migration->step(1), Step::kWaiting);
  EXPECT_EQ(map.find(Epoch::Guard(), make_key("a"))->value(), 1u);
  stage = 4;
  while (migration->step(1) != Step::kDone) {
  }
}

/// A table that has memory for so many writes.
class Scarce final : public ForwardingMap<> {
 public:
  Scarce(std::unique_ptr<detail::AnyMap> right, int& writes)
      : ForwardingMap(*right), owned_(std::move(right)), writes_(writes) {}

  bool put(base::Ref<const Record> record) override {
    spend();
    return right_.put(std::move(record));
  }
  bool erase(const Key& key) override {
    spend();
    return right_.erase(key);
  }
  bool compare_and_put(const Epoch::Guard& guard, const Record* expected,
                       base::Ref<const Record> record) override {
    spend();
    return right_.compare_and_put(guard, expected, std::move(record));
  }
  void put_absent(const Epoch::Guard& guard, std::span<const Record* const> records) override {
    for (std::size_t i = 0; i < records.size(); ++i) {
      spend();
      right_.put_absent(guard, records.subspan(i, 1));
    }
  }
  bool compare_and_erase(const Epoch::Guard& guard, const Key& key,
                         const Record* expected) override {
    spend();
    return right_.compare_and_erase(guard, key, expected);
  }

 private:
  void spend() {
    if (writes_-- <= 0) throw std::bad_alloc();
  }
  const std::unique_ptr<detail::AnyMap> owned_;
  int& writes_;
};

SwitchedMap::MakeSwitchover with_scarce_memory(int& writes) {
  return [&writes](auto& current, auto to, Counters& counters) {
    return std::make_unique<detail::Switchover>(
        current, std::make_unique<Scarce>(std::move(to), writes), counters);
  };
}

TEST_P(MigrationOf, LeavesTheOldStrategyServingWhereverMemoryEnds) {
  bool flipped = false;
  for (int memory = 0; !flipped; memory = memory * 2 + 1) {
    fill(300);
    int writes = memory;
    auto migration = map_->migrate(to(), with_scarce_memory(writes));
    ASSERT_TRUE(migration.has_value());
    bool thrown = false;
    try {
      for (std::uint64_t round = 1; !migration->progress().flipped; ++round) {
        migration->step(20);
        // Whether the copy or a writer's second write meets the end, the writer does not notice.
        if (!migration->progress().flipped) write_a_little(*map_, model_, round);
      }
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    flipped = migration->progress().flipped;
    EXPECT_NE(thrown, flipped);
    writes = 1'000'000;
    {
      const auto gone = std::move(*migration);
    }
    expect_holds(*map_, model_);
    EXPECT_EQ(map_->stats().strategy, flipped ? to().strategy : from().strategy);
  }
  faults::record(
      {.row = 37,
       .outcome = "a throw under the lock of either table releases it; the map holds every record",
       .evidence = "the policy's condition Applied; /state/v1/maps",
       .recovery = {}});
  faults::record({.row = 43,
                  .outcome = "bad_alloc at each allocation of a change of strategy: the old one "
                             "serves on, writers do not notice",
                  .evidence = "the policy's condition Applied; /state/v1/maps",
                  .recovery = {}});
  faults::record({.row = 32,
                  .outcome = "a throw at each step of a change leaves the old strategy serving",
                  .evidence = "the policy's condition Applied; /state/v1/maps",
                  .recovery = {}});
}

TEST(Migration, FailsBeforeItBeginsWithoutTrace) {
  SwitchedMap map(MapOptions{.strategy = Strategy::kMutex});
  map.put(text("a", 1));
  const auto fail = [](auto&, auto, Counters&) -> std::unique_ptr<detail::Switchover> {
    throw std::bad_alloc();
  };
  EXPECT_THROW((void)map.migrate({}, fail), std::bad_alloc);
  expect_holds(map, {{"a", 1}});
  EXPECT_EQ(map.stats().migration, MigrationPhase::kNone);
}

TEST(Migration, FreesTheOldTableWhenADriverTakesNoMoreSteps) {
  for (int i = 0; i < 3; ++i) Epoch::collect();
  ASSERT_EQ(Text::alive, 0);
  {
    SwitchedMap map(MapOptions{.strategy = Strategy::kMutex});
    for (std::uint64_t i = 0; i < 1'000; ++i) map.put(text(name(i), i));
    {
      auto migration = map.migrate({.strategy = Strategy::kSharded, .shards = 4});
      while (!migration->progress().flipped) migration->step(1'000);
    }
    EXPECT_EQ(map.size(), 1'000u);
  }
  for (int i = 0; i < 3; ++i) Epoch::collect();
  EXPECT_EQ(Text::alive, 0);
}

}  // namespace
}  // namespace podkeeper::cmap::testing
