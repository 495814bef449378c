#include "pkg/cmap/inspect.h"

#include "pkg/base/epoch.h"
#include "pkg/cmap/map.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "tests/cmap/support/text_record.h"

namespace podkeeper::cmap {
namespace {

using testing::Text;
using testing::text;
using testing::text_with_hash;

constexpr Strategy kTableStrategies[] = {Strategy::kMutex, Strategy::kRWMutex, Strategy::kSharded,
                                         Strategy::kLockFree};

class Inspection : public ::testing::TestWithParam<Strategy> {
 protected:
  Map<Text> map_{MapOptions{.strategy = GetParam(), .shards = 4}};
};

TEST_P(Inspection, CountsEveryEntryOnce) {
  constexpr std::uint64_t kEntries = 5000;
  for (std::uint64_t i = 0; i < kEntries; ++i) map_.put(text("ns/" + std::to_string(i), i));
  const auto tables = map_.census();
  const bool one = GetParam() == Strategy::kMutex || GetParam() == Strategy::kRWMutex;
  EXPECT_EQ(tables.size() == 1, one);
  TableCensus sum;
  for (const TableCensus& table : tables) sum += table;
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
  const ProbeChain chain = map_.describe({"ns/7", hash});
  EXPECT_EQ(chain.home, map_.position_of({"ns/7", hash}));
  EXPECT_TRUE(chain.found);
  EXPECT_FALSE(chain.cut);
  ASSERT_EQ(chain.probed.size(), 2U);
  EXPECT_EQ(chain.probed[0].index, chain.home.bucket);
  EXPECT_EQ(chain.probed[0].slots.size(), 7U);
  EXPECT_NE(chain.probed[0].overflow, 0);
  ASSERT_EQ(chain.probed[1].slots.size(), 1U);
  EXPECT_EQ(chain.probed[1].slots[0].key, "ns/7");
  EXPECT_TRUE(chain.probed[1].slots[0].matches);
  const std::string line = to_text(chain);
  EXPECT_NE(line.find(", found: ["), std::string::npos) << line;
  EXPECT_NE(line.find("f0* ns/7"), std::string::npos) << line;
}

TEST_P(Inspection, FindsAChainByTheHashAlone) {
  map_.put(text("ns/a", 1));
  EXPECT_TRUE(map_.describe({{}, make_key("ns/a").hash}).found);
  EXPECT_FALSE(map_.describe(make_key("ns/b")).found);
}
INSTANTIATE_TEST_SUITE_P(Strategies, Inspection, ::testing::ValuesIn(kTableStrategies),
                         [](const auto& param) { return to_string(param.param); });

TEST(InspectionByText, ShowsNoChainWithoutTheText) {
  Map<Text> map{MapOptions{.shards = 4, .hash = Hash::kFNV1a}};
  map.put(text("ns/a", 1));
  EXPECT_TRUE(map.describe(make_key("ns/a")).found);
  EXPECT_TRUE(map.describe({{}, make_key("ns/a").hash}).probed.empty());
}

}  // namespace
}  // namespace podkeeper::cmap
