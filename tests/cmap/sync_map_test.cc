#include "pkg/cmap/sync_map.h"

#include "pkg/base/epoch.h"
#include "pkg/runtime/seeded_random.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/cmap/support/text_record.h"

namespace podkeeper::cmap {
namespace {

using base::Epoch;
using testing::Text;
using testing::text_with_hash;

/// What is special about SyncMap, looked at in one part: all keys have hashes that begin with 0.
class SyncMapTest : public ::testing::Test {
 protected:
  struct Name {
    std::string text;
    std::uint64_t hash;
    [[nodiscard]] Key key() const { return {text, hash}; }
  };
  static Name name(std::uint64_t i) {
    return {std::to_string(i), (i + 1) * 0x9e37'79b9'7f4a'7c15 >> SyncTable::kSkippedBits};
  }
  bool put(const Name& name, std::uint64_t value) {
    return map_.put(text_with_hash(name.text, value, name.hash));
  }
  bool put(std::uint64_t i) { return put(name(i), i + 1); }
  bool erase(std::uint64_t i) { return map_.erase(name(i).key()); }
  [[nodiscard]] std::uint64_t value(const Name& name) const {
    const Epoch::Guard guard;
    const auto* found = static_cast<const Text*>(map_.find(guard, name.key()));
    return found == nullptr ? 0 : found->value();
  }
  [[nodiscard]] std::uint64_t find(std::uint64_t i) const { return value(name(i)); }

  /// Puts keys 0..count-1 and has them promoted.
  void settle(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) put(i);
    while (map_.levels().dirty_slots != 0) (void)find(0);
  }

  SyncMap map_;
};

TEST_F(SyncMapTest, PromotesAfterAsManyMissesAsThePartHasKeys) {
  for (std::uint64_t i = 0; i < 8; ++i) put(i);
  for (std::uint64_t i = 0; i < 7; ++i) EXPECT_EQ(find(i), i + 1);
  EXPECT_EQ(map_.levels().dirty_slots, 8u);
  EXPECT_EQ(map_.levels().promotions, 0u);
  EXPECT_EQ(find(7), 8u);
  EXPECT_EQ(map_.levels().dirty_slots, 0u);
  EXPECT_EQ(map_.levels().read_slots, 8u);
  EXPECT_EQ(map_.levels().promotions, 1u);
}

TEST_F(SyncMapTest, CountsALookForAnAbsentKeyAsAMissOnlyWhileAmended) {
  settle(4);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(find(99), 0u);
  EXPECT_EQ(map_.levels().promotions, 1u);
  put(4);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(find(99), 0u);
  EXPECT_EQ(map_.levels().promotions, 2u);
}

TEST_F(SyncMapTest, ReadsReplacesAndErasesStableKeysWithoutAMiss) {
  settle(100);
  put(100);  // amended: a miss would count
  for (int round = 0; round < 10; ++round) {
    for (std::uint64_t i = 0; i < 100; ++i) {
      EXPECT_EQ(find(i), i + 1);
      EXPECT_FALSE(put(i));
    }
    EXPECT_TRUE(erase(0));
    EXPECT_EQ(find(0), 0u);
    EXPECT_TRUE(put(0));
  }
  EXPECT_EQ(map_.levels().promotions, 1u);
  EXPECT_EQ(map_.levels().dirty_slots, 1u);
}

TEST_F(SyncMapTest, BringsAnErasedKeyBackIntoItsSlot) {
  settle(10);
  EXPECT_TRUE(erase(3));
  EXPECT_TRUE(put(3));
  EXPECT_EQ(find(3), 4u);
  EXPECT_EQ(map_.levels().read_slots, 10u);
  EXPECT_EQ(map_.levels().dirty_slots, 0u);
}

TEST_F(SyncMapTest, ExpungesErasedKeysWhenItPromotesAndAddsThemAsNewWhenTheyComeBack) {
  settle(10);
  EXPECT_TRUE(erase(3));
  put(10);
  while (map_.levels().dirty_slots != 0) (void)find(10);
  EXPECT_EQ(map_.levels().read_slots, 10u) << "ten live keys, and no slot for the erased one";
  EXPECT_EQ(find(3), 0u);
  EXPECT_TRUE(put(3));
  EXPECT_EQ(map_.levels().dirty_slots, 1u);
  EXPECT_EQ(find(3), 4u);
  EXPECT_EQ(map_.size(), 11u);
}

TEST_F(SyncMapTest, MovesTheRestWhenAThirdOfTheSlotsIsDead) {
  settle(1'000);
  for (std::uint64_t i = 0; i < 700; ++i) {
    EXPECT_TRUE(erase(i));
    EXPECT_LE(map_.levels().read_slots, map_.size() + map_.size() / 2 + 4);
  }
  for (std::uint64_t i = 0; i < 1'000; ++i) EXPECT_EQ(find(i), i < 700 ? 0 : i + 1);
}

TEST_F(SyncMapTest, ShowsAStretchWalkEachKeyOnceWhilePromotionsComeBetween) {
  constexpr std::uint64_t kStaying = 2'000;  // of one part, which is several stretches
  settle(kStaying);
  std::uint64_t fresh = kStaying;
  const auto add = [&] { put(fresh++); };
  const auto promote = [&] {
    const std::uint64_t before = map_.levels().promotions;
    add();  // so that there is something to promote
    while (map_.levels().promotions == before) (void)find(fresh - 1);
  };
  for (int i = 0; i < 600; ++i) add();
  const std::uint64_t before = map_.levels().promotions;
  std::map<std::string, int> seen;
  std::size_t stretches = 0;
  for (std::optional<std::uint64_t> at = 0; at; ++stretches) {
    std::size_t shown = 0;
    at = map_.for_each_from(Epoch::Guard(), *at, [&](const Record& record) {
      ++shown;
      ++seen[std::string(record.key_text())];
    });
    ASSERT_LE(shown, SyncTable::kStretchBuckets * Bucket::kSlots);
    if (stretches > 20) continue;  // the other parts are empty
    erase(kStaying + stretches);
    promote();
    for (int i = 0; i < 300; ++i) add();
  }
  EXPECT_GE(map_.levels().promotions - before, 20u);
  for (std::uint64_t i = 0; i < kStaying; ++i) EXPECT_EQ(seen[name(i).text], 1) << i;
  for (const auto& [key, times] : seen) EXPECT_LE(times, 1) << key;
}

TEST_F(SyncMapTest, TellsKeysOfOneHashApartThroughEverySlotAndTable) {
  const std::vector<std::uint64_t> hashes = {0, 7, 7, 7, 7, 7, 1u << 20};
  std::map<std::size_t, std::uint64_t> model;
  runtime::SeededRandom random(3);
  for (std::uint64_t step = 1; step <= 20'000; ++step) {
    const std::size_t i = random.below(hashes.size());
    const Name each{std::to_string(i), hashes[i]};
    switch (random.below(4)) {
      case 0:
        ASSERT_EQ(put(each, step), model.insert_or_assign(i, step).second) << step;
        break;
      case 1:
        ASSERT_EQ(map_.erase(each.key()), model.erase(i) == 1) << step;
        break;
      default:
        ASSERT_EQ(value(each), model.contains(i) ? model[i] : 0) << step;
    }
    ASSERT_EQ(map_.size(), model.size()) << step;
  }
}

TEST_F(SyncMapTest, CreditsEachPutAndEraseOfKeysOfOneHashToOneThread) {
  std::atomic<std::int64_t> balance{0};
  std::barrier start(4);
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        runtime::SeededRandom random(t);
        std::int64_t mine = 0;
        start.arrive_and_wait();
        for (int i = 0; i < 10'000; ++i) {
          const Name each{std::to_string(random.below(5)), 7};
          const std::uint64_t dice = random.below(3);
          if (dice == 0) mine += put(each, 1) ? 1 : 0;
          if (dice == 1) mine -= map_.erase(each.key()) ? 1 : 0;
          if (dice == 2) (void)value(each);
        }
        balance += mine;
      });
    }
  }
  EXPECT_EQ(static_cast<std::int64_t>(map_.size()), balance);
  std::map<std::string, int> shown;
  map_.for_each(Epoch::Guard(), [&](const Record& r) { ++shown[std::string(r.key_text())]; });
  EXPECT_EQ(static_cast<std::int64_t>(shown.size()), balance);
  for (const auto& [key, times] : shown) EXPECT_EQ(times, 1) << key;
}

}  // namespace
}  // namespace podkeeper::cmap
