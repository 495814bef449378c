#include "pkg/cmap/copy_on_write_map.h"

#include "pkg/base/epoch.h"
#include "pkg/runtime/seeded_random.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tests/cmap/support/text_record.h"

namespace podkeeper::cmap {
namespace {

using base::Epoch;
using testing::Text;
using testing::text;
using testing::text_with_hash;
using Snapshot = CopyOnWriteMap::Snapshot;
using Content = std::map<std::string, std::uint64_t>;

std::string name(std::uint64_t i) { return "ns/" + std::to_string(i); }
std::uint64_t value(const Record* record) {
  return record == nullptr ? 0 : static_cast<const Text*>(record)->value();
}

/// What is special about CopyOnWrite: its snapshots.
class CopyOnWriteMapTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Epoch::collect();  // what the tests before left
    ASSERT_EQ(Text::alive, 0);
  }
  void put(std::uint64_t i, std::uint64_t value) { map_.put(text(name(i), value)); }
  void fill(std::uint64_t count, std::uint64_t value) {
    for (std::uint64_t i = 0; i < count; ++i) put(i, value);
  }
  static Content content(const Snapshot& snapshot) {
    Content all;
    snapshot.for_each([&all](const Record& record) {
      EXPECT_TRUE(all.emplace(record.key_text(), value(&record)).second) << "shown twice";
    });
    return all;
  }

  CopyOnWriteMap map_;
};

TEST_F(CopyOnWriteMapTest, KeepsASnapshotAsItWasWhateverIsWrittenAfter) {
  fill(1'000, 1);
  const Snapshot before = map_.snapshot();
  const Content was = content(before);
  fill(5'000, 2);  // replaces, adds, splits
  for (std::uint64_t i = 0; i < 4'900; ++i) map_.erase(make_key(name(i)));  // erases, merges
  EXPECT_EQ(before.size(), 1'000u);
  EXPECT_EQ(content(before), was);
  EXPECT_EQ(value(before.find(make_key(name(7)))), 1u);
  EXPECT_EQ(before.find(make_key(name(4'950))), nullptr);
  EXPECT_EQ(map_.size(), 100u);
}

TEST_F(CopyOnWriteMapTest, AgreesWithAModelInEveryOneOfManyLiveSnapshots) {
  std::list<std::pair<Snapshot, Content>> live;
  Content model;
  runtime::SeededRandom random(5);
  for (std::uint64_t step = 1; step <= 60'000; ++step) {
    const bool growing = step / 6'000 % 2 == 0;
    const std::string key = name(random.below(3'000));
    if ((random.below(10) < 8) == growing) {
      map_.put(text(key, step));
      model[key] = step;
    } else {
      map_.erase(make_key(key));
      model.erase(key);
    }
    if (random.below(600) == 0) live.emplace_back(map_.snapshot(), model);
    if (live.size() > 5) {
      auto one = live.begin();
      std::advance(one, static_cast<std::ptrdiff_t>(random.below(live.size())));
      ASSERT_EQ(content(one->first), one->second) << step;
      live.erase(one);
    }
  }
  for (const auto& [snapshot, was] : live) EXPECT_EQ(content(snapshot), was);
}

TEST_F(CopyOnWriteMapTest, CopiesASegmentOncePerSnapshotAndNoneWithoutOne) {
  fill(100, 1);  // one segment
  EXPECT_EQ(map_.copies(), 0u);
  {
    const Snapshot first = map_.snapshot();
    for (std::uint64_t i = 0; i < 50; ++i) put(i, 2);
    EXPECT_EQ(map_.copies(), 1u);
    const Snapshot second = map_.snapshot();
    for (std::uint64_t i = 0; i < 50; ++i) put(i, 3);
    EXPECT_EQ(map_.copies(), 2u);
  }
  put(0, 4);
  EXPECT_EQ(map_.copies(), 2u);
}

TEST_F(CopyOnWriteMapTest, CopiesOnlyTheSegmentsThatAreWritten) {
  fill(20'000, 1);
  const std::uint64_t before = map_.copies();
  const Snapshot snapshot = map_.snapshot();
  for (std::uint64_t i = 0; i < 10; ++i) put(i, 2);
  EXPECT_LE(map_.copies() - before, 10u);
  EXPECT_GE(map_.copies() - before, 8u) << "ten keys lie in about ten of 128 segments";
}

TEST_F(CopyOnWriteMapTest, GivesMemoryBackWhenTheLastSnapshotThatShowsItGoes) {
  fill(1'000, 1);
  const std::size_t bytes = map_.stats().table_bytes;
  auto first = std::make_unique<Snapshot>(map_.snapshot());
  auto second = std::make_unique<Snapshot>(map_.snapshot());
  fill(1'000, 2);
  EXPECT_GT(map_.stats().table_bytes, 2 * bytes);
  Epoch::collect();
  EXPECT_EQ(Text::alive, 2'000);
  second.reset();
  Epoch::collect();
  EXPECT_EQ(Text::alive, 2'000) << "the first still shows them";
  first.reset();
  Epoch::collect();
  EXPECT_EQ(Text::alive, 1'000);
  EXPECT_EQ(map_.stats().table_bytes, bytes);
}

TEST_F(CopyOnWriteMapTest, HoldsNoMoreForAnOldSnapshotHoweverManyComeAndGoAfterIt) {
  fill(1'000, 1);
  const Snapshot old = map_.snapshot();
  for (std::uint64_t round = 0; round < 50; ++round) {
    const Snapshot brief = map_.snapshot();
    fill(1'000, 2 + round);
  }
  Epoch::collect();
  EXPECT_EQ(Text::alive, 2'000) << "those of the old snapshot and those of the map";
  EXPECT_EQ(value(old.find(make_key(name(1)))), 1u);
}

TEST_F(CopyOnWriteMapTest, KeepsAReplacedRecordForAReaderThatFoundItInTheMap) {
  fill(10, 1);
  const Epoch::Guard guard;
  const Record* found = map_.find(guard, make_key(name(3)));
  {
    const Snapshot snapshot = map_.snapshot();
    put(3, 2);
  }
  Epoch::collect();
  EXPECT_EQ(value(found), 1u);
}

TEST_F(CopyOnWriteMapTest, MakesASegmentLargerInsteadOfADirectoryForKeysOfOneHash) {
  for (std::uint64_t i = 0; i < 2'000; ++i) map_.put(text_with_hash(name(i), i + 1, 42));
  const Epoch::Guard guard;
  for (std::uint64_t i = 0; i < 2'000; ++i) {
    ASSERT_EQ(value(map_.find(guard, Key{name(i), 42})), i + 1);
  }
  EXPECT_LE(map_.stats().table_bytes, 40u * 2'000u);
  for (std::uint64_t i = 0; i < 2'000; ++i) EXPECT_TRUE(map_.erase({name(i), 42}));
  EXPECT_EQ(map_.stats().table_bytes, CopyOnWriteMap().stats().table_bytes);
}

TEST_F(CopyOnWriteMapTest, ShowsAllKeysOfOneWriterAtOneMomentWhileItWrites) {
  // The writer puts round r on key 0, then on key 1, and so on: at any one moment the values along
  // the keys fall at one place, by one.
  constexpr std::uint64_t kKeys = 400;
  fill(kKeys, 1);
  std::atomic<bool> done{false};
  const std::jthread writer([&] {
    for (std::uint64_t round = 2; !done; ++round) fill(kKeys, round);
  });
  for (int i = 0; i < 200; ++i) {
    const Snapshot snapshot = map_.snapshot();
    const std::uint64_t first = value(snapshot.find(make_key(name(0))));
    const std::uint64_t last = value(snapshot.find(make_key(name(kKeys - 1))));
    EXPECT_LE(first - last, 1u);
    std::uint64_t before = first;
    for (std::uint64_t k = 1; k < kKeys; ++k) {
      const std::uint64_t now = value(snapshot.find(make_key(name(k))));
      ASSERT_TRUE(now == before || (now == last && now + 1 == before)) << k;
      before = now;
    }
  }
  done = true;
}

TEST_F(CopyOnWriteMapTest, LetsSnapshotsGoInAnyOrderInOtherThreadsWhileWritersGoOn) {
  fill(2'000, 1);
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t t = 0; t < 3; ++t) {
      threads.emplace_back([this, t] {
        std::vector<Snapshot> held;
        runtime::SeededRandom random(t);
        for (int i = 0; i < 150; ++i) {
          held.push_back(map_.snapshot());
          EXPECT_GE(held.back().size(), 1'000u);
          if (held.size() > 4) {
            std::swap(held[random.below(held.size())], held.back());
            held.pop_back();
          }
          for (int w = 0; w < 40; ++w) put(random.below(2'000), t + 1);
          map_.erase(make_key(name(1'000 + random.below(1'000))));
        }
      });
    }
  }
  Epoch::collect();
  EXPECT_EQ(static_cast<std::size_t>(Text::alive), map_.size());
}

}  // namespace
}  // namespace podkeeper::cmap
