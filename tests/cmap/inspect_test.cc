#include "pkg/cmap/inspect.h"

#include "pkg/base/epoch.h"
#include "pkg/cmap/map.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/cmap/support/text_record.h"

namespace podkeeper::cmap {
namespace {

using testing::Text;
using testing::text;
using testing::text_with_hash;

class Inspection : public ::testing::TestWithParam<Strategy> {
 protected:
  [[nodiscard]] TableCensus total() const {
    TableCensus sum;
    for (const TableCensus& table : map_.census()) sum += table;
    return sum;
  }

  Map<Text> map_{MapOptions{.strategy = GetParam(), .shards = 4}};
};

TEST_P(Inspection, CountsEveryEntryOnce) {
  constexpr std::uint64_t kEntries = 5000;
  for (std::uint64_t i = 0; i < kEntries; ++i) map_.put(text("ns/" + std::to_string(i), i));
  const auto tables = map_.census();
  const bool one = GetParam() == Strategy::kMutex || GetParam() == Strategy::kRWMutex;
  EXPECT_EQ(tables.size() == 1, one);
  const TableCensus sum = total();
  EXPECT_EQ(sum.entries, kEntries);
  EXPECT_LE(sum.bytes, map_.stats().table_bytes) << "a directory is counted there alone";
  EXPECT_GE(sum.bytes, sum.buckets * 64);
  std::uint64_t slots = 0;
  std::uint64_t buckets = 0;
  for (std::size_t fill = 0; fill < sum.buckets_by_fill.size(); ++fill) {
    slots += fill * sum.buckets_by_fill[fill];
    buckets += sum.buckets_by_fill[fill];
  }
  EXPECT_EQ(slots, kEntries);
  EXPECT_EQ(buckets, sum.buckets);
  const auto& probes = sum.entries_by_probe;
  EXPECT_EQ(std::accumulate(probes.begin(), probes.end(), std::uint64_t{0}), kEntries);
  EXPECT_GT(probes[0], kEntries * 7 / 10) << "most keys lie in their home bucket";
}

TEST_P(Inspection, ShowsTheChainOfAKeyThatHadToPassFullBuckets) {
  // Eight keys of one hash: seven fill the home bucket, the eighth lies in the next.
  const std::uint64_t hash = 0x1234'5678'9abc'def0;
  for (std::uint64_t i = 0; i < 8; ++i) {
    map_.put(text_with_hash("ns/" + std::to_string(i), i, hash));
  }
  // By the eighth miss SyncMap has them in its read table.
  for (int i = 0; i < 8; ++i) map_.find(base::Epoch::Guard(), {"ns/7", hash});
  const ProbeChain chain = map_.describe({"ns/7", hash});
  EXPECT_EQ(chain.home, map_.position_of({"ns/7", hash}));
  EXPECT_TRUE(chain.found);
  EXPECT_FALSE(chain.cut);
  ASSERT_EQ(chain.probed.size(), 2U);
  EXPECT_EQ(chain.probed[0].index, chain.home.bucket);
  EXPECT_EQ(chain.probed[0].slots.size(), 7U);
  EXPECT_NE(chain.probed[0].overflow, 0);
  ASSERT_EQ(chain.probed[1].slots.size(), 1U);
  EXPECT_TRUE(chain.probed[1].slots[0].matches);
  std::set<std::string> keys;
  for (const ProbedBucket& bucket : chain.probed) {
    for (const auto& slot : bucket.slots) keys.insert(slot.key);
  }
  EXPECT_EQ(keys.size(), 8U) << "each once";
  const std::string line = to_text(chain);
  EXPECT_NE(line.find(", found: ["), std::string::npos) << line;
  EXPECT_NE(line.find("f0* ns/7"), std::string::npos) << line;
}

TEST_P(Inspection, FindsAChainByTheHashAlone) {
  map_.put(text("ns/a", 1));
  EXPECT_TRUE(map_.describe({{}, make_key("ns/a").hash}).found);
  EXPECT_FALSE(map_.describe(make_key("ns/b")).found);
}

TEST_P(Inspection, ShowsNoChainByTheHashAloneWhereKeysArePlacedByTheirText) {
  Map<Text> map{MapOptions{.strategy = GetParam(), .shards = 4, .hash = Hash::kFNV1a}};
  map.put(text("ns/a", 1));
  EXPECT_TRUE(map.describe(make_key("ns/a")).found);
  const ProbeChain by_hash = map.describe({{}, make_key("ns/a").hash});
  EXPECT_TRUE(by_hash.probed.empty());
  EXPECT_EQ(to_text(by_hash), "no probe chain by the hash alone");
}

TEST_P(Inspection, GoesOnBesideAWriterThatGrowsAndShrinksTheTables) {
  map_.put(text("stays", 1));
  std::atomic<bool> done{false};
  std::jthread writer([&] {
    for (int wave = 0; wave < 4; ++wave) {
      for (int i = 0; i < 2'000; ++i) map_.put(text("ns/" + std::to_string(i), 1));
      for (int i = 0; i < 2'000; ++i) map_.erase(make_key("ns/" + std::to_string(i)));
    }
    done = true;
  });
  while (!done) {
    ASSERT_TRUE(map_.describe(make_key("stays")).found);
    (void)map_.position_of(make_key("stays"));
    ASSERT_GE(total().entries, 1U);
  }
  writer.join();
  EXPECT_EQ(total().entries, 1U);
}
INSTANTIATE_TEST_SUITE_P(Strategies, Inspection, ::testing::ValuesIn(kStrategies),
                         [](const auto& param) { return to_string(param.param); });

TEST(InspectionOfSyncMap, ShowsTheDirtyTableBehindTheReadTable) {
  Map<Text> map{MapOptions{.strategy = Strategy::kSyncMap}};
  const std::uint64_t hash = 0x1234'5678'9abc'def0;
  map.put(text_with_hash("ns/old", 1, hash));
  map.find(base::Epoch::Guard(), {"ns/old", hash});  // the one miss that promotes it
  map.put(text_with_hash("ns/new", 2, hash));
  const ProbeChain chain = map.describe({"ns/new", hash});
  EXPECT_TRUE(chain.found);
  ASSERT_EQ(chain.probed.size(), 2U);
  EXPECT_FALSE(chain.probed[0].dirty);
  EXPECT_EQ(chain.probed[0].slots[0].key, "ns/old");
  EXPECT_TRUE(chain.probed[1].dirty);
  EXPECT_EQ(chain.probed[1].slots[0].key, "ns/new");
  EXPECT_NE(to_text(chain).find(" dirty [0] overflow 00: f0* ns/new"), std::string::npos)
      << to_text(chain);
}

TEST(InspectionOfSyncMap, CountsTheSlotsOfErasedKeysAsTombstones) {
  Map<Text> map{MapOptions{.strategy = Strategy::kSyncMap}};
  // All of one part, too few for the erase to move the rest.
  for (std::uint64_t i = 0; i < 12; ++i) map.put(text_with_hash(std::to_string(i), i, i << 50));
  for (std::uint64_t i = 0; i < 4; ++i) map.erase({std::to_string(i), i << 50});
  const TableCensus part = map.census().front();
  EXPECT_EQ(part.entries, 8U);
  EXPECT_EQ(part.tombstones, 4U);
}

}  // namespace
}  // namespace podkeeper::cmap
