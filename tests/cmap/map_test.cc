#include "pkg/cmap/map.h"

#include "pkg/base/epoch.h"
#include "pkg/base/panic.h"
#include "pkg/base/ref.h"
#include "pkg/runtime/seeded_random.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/cmap/support/text_record.h"

namespace podkeeper::cmap {
namespace {

using base::Epoch;
using testing::Text;
using testing::text;

/// The contract of ConcurrentMap, over every strategy; what one thread can see of it.
class MapContract : public ::testing::TestWithParam<Strategy> {
 protected:
  void SetUp() override {
    Epoch::collect();  // what the tests before left
    ASSERT_EQ(Text::alive, 0);
  }

  [[nodiscard]] std::uint64_t value_of(const std::string& key) const {
    const Epoch::Guard guard;
    const Text* found = map_.find(guard, make_key(key));
    return found == nullptr ? 0 : found->value();
  }

  Map<Text> map_{MapOptions{.strategy = GetParam(), .shards = 4}};
};

INSTANTIATE_TEST_SUITE_P(Strategies, MapContract, ::testing::ValuesIn(kStrategies),
                         [](const auto& each) { return to_string(each.param); });

TEST_P(MapContract, FindsNothingInAnEmptyMap) {
  const Epoch::Guard guard;
  EXPECT_EQ(map_.find(guard, make_key("default/web")), nullptr);
  EXPECT_EQ(map_.size(), 0u);
  EXPECT_FALSE(map_.erase(make_key("default/web")));
}

TEST_P(MapContract, PutTellsWhetherTheKeyIsNewAndReplacesItsRecord) {
  EXPECT_TRUE(map_.put(text("default/web", 1)));
  EXPECT_FALSE(map_.put(text("default/web", 2)));
  EXPECT_EQ(value_of("default/web"), 2u);
  EXPECT_EQ(map_.size(), 1u);
}

TEST_P(MapContract, EraseTellsWhetherThereWasSomething) {
  map_.put(text("default/web", 1));
  EXPECT_TRUE(map_.erase(make_key("default/web")));
  EXPECT_FALSE(map_.erase(make_key("default/web")));
  EXPECT_EQ(value_of("default/web"), 0u);
  EXPECT_EQ(map_.size(), 0u);
}

TEST_P(MapContract, HoldsTheEmptyKeyAndKeysWithZeroBytes) {
  const std::string zero("a\0b", 3);
  map_.put(text("", 1));
  map_.put(text(zero, 2));
  EXPECT_EQ(value_of(""), 1u);
  EXPECT_EQ(value_of(zero), 2u);
  EXPECT_EQ(value_of("a"), 0u);
}

TEST_P(MapContract, PutsOnConditionThatTheKeyIsAbsent) {
  const Epoch::Guard guard;
  EXPECT_TRUE(map_.compare_and_put(guard, nullptr, text("default/web", 1)));
  EXPECT_FALSE(map_.compare_and_put(guard, nullptr, text("default/web", 2)));
  EXPECT_EQ(value_of("default/web"), 1u);
}

TEST_P(MapContract, PutsOnConditionThatTheKeyHoldsTheExpectedRecord) {
  const Epoch::Guard guard;
  map_.put(text("default/web", 1));
  const Text* first = map_.find(guard, make_key("default/web"));
  EXPECT_TRUE(map_.compare_and_put(guard, first, text("default/web", 2)));
  EXPECT_FALSE(map_.compare_and_put(guard, first, text("default/web", 3)));
  EXPECT_EQ(value_of("default/web"), 2u);
  map_.erase(make_key("default/web"));
  EXPECT_FALSE(map_.compare_and_put(guard, first, text("default/web", 4)));
  EXPECT_EQ(map_.size(), 0u);
}

TEST_P(MapContract, ErasesOnConditionThatTheKeyHoldsTheExpectedRecord) {
  const Epoch::Guard guard;
  const Key key = make_key("default/web");
  map_.put(text("default/web", 1));
  const Text* first = map_.find(guard, key);
  map_.put(text("default/web", 2));
  EXPECT_FALSE(map_.compare_and_erase(guard, key, first));
  EXPECT_TRUE(map_.compare_and_erase(guard, key, map_.find(guard, key)));
  EXPECT_FALSE(map_.compare_and_erase(guard, key, nullptr)) << "nothing to erase";
  EXPECT_EQ(map_.size(), 0u);
}

TEST_P(MapContract, AgreesWithAStdMapOverAManyTimesGrownAndShrunkHistory) {
  std::map<std::string, std::uint64_t> model;
  runtime::SeededRandom random(1);
  for (std::uint64_t step = 1; step <= 60'000; ++step) {
    // Phases of mostly putting and mostly erasing, so that the table changes size both ways.
    const bool growing = step / 10'000 % 2 == 0;
    const std::string key = "ns/" + std::to_string(random.below(5'000));
    if ((random.below(10) < 8) == growing) {
      EXPECT_EQ(map_.put(text(key, step)), model.insert_or_assign(key, step).second);
    } else {
      EXPECT_EQ(map_.erase(make_key(key)), model.erase(key) == 1);
    }
  }
  EXPECT_EQ(map_.size(), model.size());
  std::map<std::string, std::uint64_t> seen;
  map_.for_each(Epoch::Guard(), [&](const Text& record) {
    EXPECT_TRUE(seen.emplace(record.key_text(), record.value()).second) << "shown twice";
  });
  EXPECT_EQ(seen, model);
  for (int i = 0; i < 5'000; ++i) {
    const std::string key = "ns/" + std::to_string(i);
    const auto expected = model.find(key);
    EXPECT_EQ(value_of(key), expected == model.end() ? 0 : expected->second);
  }
}

TEST_P(MapContract, GivesTableMemoryBackWhenItEmpties) {
  const std::size_t at_first = map_.stats().table_bytes;
  for (int i = 0; i < 20'000; ++i) map_.put(text("ns/" + std::to_string(i), 1));
  const MapStats full = map_.stats();
  EXPECT_EQ(full.entries, 20'000u);
  EXPECT_LE(full.table_bytes, 24u * 20'000u) << "the target: at most 24 B an entry";
  for (int i = 0; i < 20'000; ++i) map_.erase(make_key("ns/" + std::to_string(i)));
  EXPECT_EQ(map_.stats().table_bytes, at_first);
}

TEST_P(MapContract, DoesNotGrowWhenKeysComeAndGo) {
  for (int i = 0; i < 1'000; ++i) map_.put(text("ns/" + std::to_string(i), 1));
  const std::size_t before = map_.stats().table_bytes;
  for (int i = 0; i < 100'000; ++i) {
    map_.put(text("ns/" + std::to_string(i + 1'000), 1));
    map_.erase(make_key("ns/" + std::to_string(i)));
  }
  EXPECT_LE(map_.stats().table_bytes, 2 * before);
  EXPECT_EQ(map_.size(), 1'000u);
}

TEST_P(MapContract, LetsACallbackOfForEachPutAndErase) {
  for (int i = 0; i < 3'000; ++i) map_.put(text("ns/" + std::to_string(i), 1));
  std::multiset<std::string> seen;
  map_.for_each(Epoch::Guard(), [&](const Text& record) {
    seen.emplace(record.key_text());
    map_.erase(record.key());
    map_.put(text("new/" + std::string(record.key_text()), 2));
    map_.put(text("more/" + std::string(record.key_text()), 2));
    ASSERT_LT(seen.size(), 1'000'000u) << "a walk must end although it puts";
  });
  for (int i = 0; i < 3'000; ++i) EXPECT_EQ(seen.count("ns/" + std::to_string(i)), 1u);
  for (const std::string& key : seen) EXPECT_EQ(seen.count(key), 1u) << key;
}

TEST_P(MapContract, ShowsAKeyOnceThatIsErasedAndPutAgainDuringTheWalk) {
  for (int i = 0; i < 3'000; ++i) map_.put(text("ns/" + std::to_string(i), 1));
  std::multiset<std::string> seen;
  map_.for_each(Epoch::Guard(), [&](const Text& record) {
    const std::string key(record.key_text());
    seen.insert(key);
    map_.erase(record.key());
    map_.put(text("ns/" + std::to_string(seen.size()), 2));
    map_.put(text(key, 2));
  });
  for (const std::string& key : seen) EXPECT_EQ(seen.count(key), 1u) << key;
}

/// More than any strategy's segment or stretch holds.
constexpr std::size_t kStretchMax = 512;

TEST_P(MapContract, WalksInShortStretchesWhateverHappensBetweenThem) {
  constexpr std::uint64_t kStaying = 50'000;
  for (std::uint64_t i = 0; i < kStaying; ++i) map_.put(text("stays/" + std::to_string(i), i));
  runtime::SeededRandom random(3);
  std::vector<int> seen(kStaying, 0);
  std::multiset<std::string> others;
  std::size_t stretches = 0;
  for (std::optional<std::uint64_t> at = 0; at; ++stretches) {
    std::size_t shown = 0;
    at = map_.untyped().for_each_from(Epoch::Guard(), *at, [&](const Record& record) {
      ++shown;
      const std::string key(record.key_text());
      if (key.starts_with("stays/")) {
        ++seen[std::stoull(key.substr(6))];
      } else {
        others.insert(key);
      }
    });
    ASSERT_LE(shown, kStretchMax);
    // Tables grow, then shrink, what is read comes into SyncMap's read tables.
    for (int i = 0; i < 400; ++i) {
      const std::string other = "new/" + std::to_string(random.below(60'000));
      if (stretches % 100 < 50) {
        map_.put(text(other, 1));
      } else {
        map_.erase(make_key(other));
      }
      const std::uint64_t staying = random.below(kStaying);
      EXPECT_EQ(value_of("stays/" + std::to_string(staying)), staying);
    }
    map_.put(text("stays/0", 0));
  }
  EXPECT_GE(stretches, kStaying / kStretchMax);
  EXPECT_EQ(seen, std::vector<int>(kStaying, 1));
  for (const std::string& key : others) EXPECT_EQ(others.count(key), 1u) << key;
}

TEST_P(MapContract, KeepsARecordAliveWhileTheGuardThatFoundItIsHeld) {
  map_.put(text("default/web", 7));
  {
    const Epoch::Guard guard;
    const Text* found = map_.find(guard, make_key("default/web"));
    map_.put(text("default/web", 8));
    map_.erase(make_key("default/web"));
    Epoch::collect();
    EXPECT_EQ(found->value(), 7u);
    EXPECT_EQ(Text::alive, 2);
  }
  Epoch::collect();
  EXPECT_EQ(Text::alive, 0);
}

TEST_P(MapContract, LeavesARecordToItsOtherHolders) {
  const base::Ref<const Text> mine = text("default/web", 7);
  map_.put(mine);
  map_.put(mine);
  map_.erase(make_key("default/web"));
  Epoch::collect();
  EXPECT_EQ(mine->value(), 7u);
  EXPECT_EQ(Text::alive, 1);
}

TEST_P(MapContract, RetiresWhatItHoldsWhenItGoes) {
  {
    const Epoch::Guard guard;
    const Text* found = nullptr;
    {
      Map<Text> brief(MapOptions{.strategy = GetParam(), .shards = 4});
      for (int i = 0; i < 100; ++i) brief.put(text("ns/" + std::to_string(i), 9));
      found = brief.find(guard, make_key("ns/42"));
    }
    Epoch::collect();
    EXPECT_EQ(found->value(), 9u);
  }
  Epoch::collect();
  EXPECT_EQ(Text::alive, 0);
}

TEST_P(MapContract, DropsARefusedRecord) {
  map_.put(text("default/web", 1));
  EXPECT_FALSE(map_.compare_and_put(Epoch::Guard(), nullptr, text("default/web", 2)));
  EXPECT_EQ(Text::alive, 1);
}

TEST_P(MapContract, TellsTheReclaimerHowManyBytesWait) {
  Epoch::collect();
  map_.put(text("default/web", 1));
  const std::size_t before = Epoch::pending().bytes;
  map_.put(text("default/web", 2));
  EXPECT_EQ(Epoch::pending().bytes, before + text("default/web", 1)->byte_size());
}

/// The bytes of all records that a walk shows.
std::size_t bytes_walked(const Map<Text>& map) {
  std::size_t bytes = 0;
  map.for_each(Epoch::Guard(), [&](const Text& record) { bytes += record.byte_size(); });
  return bytes;
}

TEST_P(MapContract, KnowsTheBytesOfItsRecordsExactly) {
  runtime::SeededRandom random(2);
  for (std::uint64_t step = 1; step <= 20'000; ++step) {
    // The same key's records differ in size by more than their text.
    const std::string key = "ns/" + std::to_string(random.below(500));
    const Epoch::Guard guard;
    const Text* held = map_.find(guard, make_key(key));
    switch (random.below(5)) {
      case 0:
        map_.put(text(key, step));
        break;
      case 1:
        map_.erase(make_key(key));
        break;
      case 2:
        map_.compare_and_put(guard, held, text(key, step));
        break;
      case 3:
        map_.compare_and_put(guard, nullptr, text(key, step));  // mostly refused
        break;
      default:
        map_.compare_and_erase(guard, make_key(key), held);
    }
    if (step % 1'000 == 0) {
      ASSERT_EQ(map_.stats().record_bytes, bytes_walked(map_)) << "after " << step << " operations";
    }
  }
  map_.for_each(Epoch::Guard(), [&](const Text& record) { map_.erase(record.key()); });
  EXPECT_EQ(map_.stats().record_bytes, 0u);
}

TEST_P(MapContract, FindsManyKeysAsItFindsEach) {
  for (int i = 0; i < 3'000; i += 2) map_.put(text("ns/" + std::to_string(i), 1));
  for (const std::size_t count : {0u, 1u, 15u, 16u, 17u, 3'000u}) {
    std::vector<std::string> texts;
    std::vector<Key> keys;
    for (std::size_t i = 0; i < count; ++i) texts.push_back("ns/" + std::to_string(i));
    for (const std::string& each : texts) keys.push_back(make_key(each));
    const Text untouched("", 0, 0);
    std::vector<const Record*> found(count, &untouched);
    const std::uint64_t before = map_.stats().finds;
    const Epoch::Guard guard;
    map_.find_many(guard, keys, found);
    EXPECT_EQ(map_.stats().finds, before + count);
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(found[i], map_.find(guard, keys[i])) << keys[i].text;
      ASSERT_EQ(found[i] != nullptr, i % 2 == 0) << keys[i].text;
    }
  }
}

TEST_P(MapContract, RefusesToFindManyIntoTooFewPlaces) {
  const std::vector<Key> keys(3, make_key("default/web"));
  std::vector<const Record*> found(2);
  EXPECT_THROW(map_.find_many(Epoch::Guard(), keys, found), base::Panic);
}

TEST_P(MapContract, CountsWhatIsAskedOfIt) {
  const Epoch::Guard guard;
  map_.put(text("a", 1));
  map_.put(text("b", 1));
  map_.compare_and_put(guard, nullptr, text("c", 1));
  map_.erase(make_key("b"));
  map_.find(guard, make_key("a"));
  map_.for_each(guard, [](const Text&) {});
  const MapStats stats = map_.stats();
  EXPECT_EQ(stats.strategy, GetParam());
  EXPECT_EQ(stats.entries, 2u);
  EXPECT_EQ(stats.puts, 3u);
  EXPECT_EQ(stats.erases, 1u);
  EXPECT_EQ(stats.finds, 1u);
  EXPECT_EQ(stats.scans, 1u);
  EXPECT_EQ(stats.contended, 0u);
}

TEST(Map, RefusesAShardCountThatIsNoPowerOfTwoUpToTheLimit) {
  for (const std::size_t shards : {0u, 3u, 131'072u}) {
    EXPECT_THROW(Map<Text>(MapOptions{.shards = shards}), base::Panic) << shards;
  }
  for (const std::size_t shards : {1u, 2u, 65'536u}) {
    Map<Text> map(MapOptions{.shards = shards});
    map.put(text("default/web", 1));
    EXPECT_EQ(map.stats().shards, shards);
    EXPECT_EQ(map.size(), 1u);
  }
}

}  // namespace
}  // namespace podkeeper::cmap
