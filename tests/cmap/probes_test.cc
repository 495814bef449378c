#include "pkg/cmap/probes.h"

#include "pkg/base/epoch.h"
#include "pkg/cmap/map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tests/cmap/support/probe_trap.h"
#include "tests/cmap/support/text_record.h"

namespace podkeeper::cmap {
namespace {

using base::Epoch;
using ::testing::Each;
using ::testing::ElementsAre;
using testing::Firing;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using testing::text;
using testing::Text;
using ::testing::UnorderedElementsAre;

const std::vector<std::string_view> kOperationProbes = {"find", "put", "erase", "iterate_begin",
                                                        "iterate_end"};

/// "put added ns/a".
std::vector<std::string> said(const std::vector<Firing>& firings) {
  std::vector<std::string> lines;
  for (const Firing& f : firings) lines.push_back(f.name + " " + f.texts.back() + " " + f.key);
  return lines;
}

TEST(Probes, AreInTheProgramOnceEach) {
  std::map<std::string, std::size_t> arguments;
  for (const auto& note : testing::probe_notes()) arguments[note.name] = note.arguments.size();
  EXPECT_THAT(testing::probe_notes(), SizeIs(7));
  EXPECT_THAT(arguments, UnorderedElementsAre(Pair("find", 6), Pair("put", 6), Pair("erase", 6),
                                              Pair("iterate_begin", 3), Pair("iterate_end", 3),
                                              Pair("grow", 5), Pair("migrate", 6)));
}

class ProbesOfStrategy : public ::testing::TestWithParam<Strategy> {
 protected:
  Map<Text> map_{MapOptions{.strategy = GetParam(), .shards = 4}, "pods~batch"};
};
INSTANTIATE_TEST_SUITE_P(Strategies, ProbesOfStrategy, ::testing::ValuesIn(kStrategies),
                         [](const auto& param) { return to_string(param.param); });

TEST_P(ProbesOfStrategy, TellEveryOperation) {
  const auto firings = testing::watch(kOperationProbes, [&] {
    map_.put(text("ns/a", 1));
    map_.put(text("ns/a", 2));
    {
      const Epoch::Guard guard;
      const Text* a = map_.find(guard, make_key("ns/a"));
      map_.find(guard, make_key("ns/b"));
      map_.compare_and_put(guard, a, text("ns/a", 3));
      map_.compare_and_erase(guard, make_key("ns/a"), a);
      map_.for_each(guard, [](const Text&) {});
    }
    map_.erase(make_key("ns/a"));
  });
  EXPECT_THAT(said(firings),
              ElementsAre("put added ns/a", "put replaced ns/a", "find found ns/a",
                          "find absent ns/b", "put done ns/a", "erase refused ns/a",
                          "iterate_begin  ", "iterate_end walked ", "erase erased ns/a"));
  for (const Firing& f : firings) {
    EXPECT_EQ(f.texts[0], "pods~batch");
    EXPECT_EQ(f.texts[1], to_string(GetParam()));
  }
}

TEST_P(ProbesOfStrategy, TellThePlaceThatTheMapTells) {
  const auto firings = testing::watch({"put"}, [&] { map_.put(text("ns/a", 1)); });
  ASSERT_THAT(firings, SizeIs(1));
  const Position home = map_.position_of(make_key("ns/a"));
  EXPECT_EQ(firings[0].arguments[4], std::uint64_t{home.shard} << 32 | home.bucket);
}

TEST_P(ProbesOfStrategy, TellGrowthAndShrinkage) {
  constexpr int kKeys = 20'000;
  std::size_t larger = 0;
  std::size_t smaller = 0;
  const auto firings = testing::watch({"grow"}, [&] {
    for (int i = 0; i < kKeys; ++i) map_.put(text("ns/" + std::to_string(i), 1));
    for (int i = 0; i < kKeys; ++i) map_.erase(make_key("ns/" + std::to_string(i)));
  });
  for (const Firing& f : firings) {
    EXPECT_EQ(f.texts[0], "pods~batch");
    EXPECT_LE(f.arguments[4], std::max<std::uint64_t>(f.arguments[2], f.arguments[3]) * 7);
    if (f.arguments[3] > f.arguments[2]) ++larger;
    if (f.arguments[3] < f.arguments[2]) ++smaller;
  }
  EXPECT_GT(larger, 5U);
  EXPECT_GT(smaller, 0U);
}

TEST(Probes, TellEachKeyOfABulkLookup) {
  Map<Text> map;
  map.put(text("ns/a", 1));
  const std::vector<Key> keys = {make_key("ns/a"), make_key("ns/b")};
  std::vector<const Record*> found(keys.size());
  const auto firings = testing::watch({"find"}, [&] {
    const Epoch::Guard guard;
    map.find_many(guard, keys, found);
  });
  EXPECT_THAT(said(firings), ElementsAre("find found ns/a", "find absent ns/b"));
}

TEST(Probes, TellTheWalkThatAPanicLeft) {
  Map<Text> map;
  map.put(text("ns/a", 1));
  const auto firings = testing::watch({"iterate_begin", "iterate_end"}, [&] {
    const Epoch::Guard guard;
    EXPECT_THROW(map.for_each(guard, [](const Text&) { throw std::runtime_error("planted"); }),
                 std::runtime_error);
  });
  ASSERT_THAT(firings, SizeIs(2));
  EXPECT_EQ(firings[0].arguments[2], 1U) << "entries";
  EXPECT_EQ(firings[1].texts[2], "panicked");
}

TEST(Probes, TellThePhasesOfAMigrationAndWhatItGrows) {
  Map<Text> map{MapOptions{.strategy = Strategy::kMutex}, "nodes"};
  for (int i = 0; i < 1000; ++i) map.put(text("node-" + std::to_string(i), 1));
  const auto firings = testing::watch({"migrate", "grow"}, [&] {
    auto migration = map.migrate({.strategy = Strategy::kLockFree});
    while (migration->step(100) != Migration::Step::kDone) {
    }
  });
  std::vector<std::string> phases;
  std::set<std::string> partitions;
  for (const Firing& f : firings) {
    partitions.insert(f.texts[0]);
    if (f.name != "migrate") continue;
    EXPECT_EQ(f.texts[1] + " " + f.texts[2], "Mutex LockFree");
    phases.push_back(f.texts[3] + " " + std::to_string(f.arguments[4]) + " " +
                     std::to_string(f.arguments[5]));
  }
  EXPECT_THAT(phases,
              ElementsAre("Announced 0 0", "Copying 0 0", "Retiring 1000 1", "None 1000 1"));
  EXPECT_THAT(partitions, ElementsAre("nodes"));
  EXPECT_GT(firings.size(), phases.size()) << "the new table grew as it was filled";
  const auto after = testing::watch({"find"}, [&] { map.find(Epoch::Guard(), make_key("x")); });
  EXPECT_EQ(after.at(0).texts[1], "LockFree");
}

TEST(Probes, AreSilentWhileNobodyWatches) {
  Map<Text> map;
  EXPECT_THAT(testing::watch({"erase"}, [&] { map.put(text("ns/a", 1)); }), IsEmpty());
  for (const auto& note : testing::probe_notes()) {
    EXPECT_EQ(*reinterpret_cast<const volatile std::uint16_t*>(note.semaphore), 0) << note.name;
  }
}

}  // namespace
}  // namespace podkeeper::cmap
