#include "pkg/base/epoch.h"
#include "pkg/cmap/bucket.h"
#include "pkg/cmap/map.h"
#include "pkg/cmap/record.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "tests/cmap/support/text_record.h"
#include "tests/faults/record.h"

namespace podkeeper::cmap {
namespace {

using Names = std::vector<std::string>;

constexpr std::uint64_t kSecret = 0x5eed'0123'89ab'cdef;
constexpr std::uint64_t kFnvBasis = 0xcbf2'9ce4'8422'2325;
constexpr std::size_t kNames = 1024;

Names ordinary() {
  Names names;
  for (std::size_t i = 0; i < kNames; ++i) names.push_back("ns/pod-" + std::to_string(i));
  return names;
}

/// Names whose XXH3 of seed 0 agrees with that of the first in the bits of `mask`, by search.
Names xxh3_agreeing(std::uint64_t mask) {
  const std::uint64_t wanted = hash_key("ns/0") & mask;
  Names names;
  for (std::uint64_t i = 0; names.size() < kNames; ++i) {
    std::string name = "ns/" + std::to_string(i);
    if ((hash_key(name) & mask) == wanted) names.push_back(std::move(name));
  }
  return names;
}

std::uint64_t plain_fnv1a(std::uint64_t state, std::string_view text) {
  for (const char c : text) {
    state = (state ^ static_cast<unsigned char>(c)) * 0x0000'0100'0000'01b3;
  }
  return state;
}

/// Names that agree in the low 20 bits of FNV-1a from `basis`, of which only those bits count: two
/// blocks that meet by the birthday paradox, ten times over, make 2^10 names (Joux,
/// "Multicollisions in iterated hash functions", 2004).
Names fnv1a_agreeing_in_low_bits(std::uint64_t basis) {
  constexpr std::uint64_t kLow = 0xf'ffff;
  Names names = {""};
  std::uint64_t state = basis & kLow;
  while (names.size() < kNames) {
    std::unordered_map<std::uint64_t, std::string> seen;
    for (std::uint64_t i = 0;; ++i) {
      const std::string block = std::to_string(i) + "/";
      const std::uint64_t next = plain_fnv1a(state, block) & kLow;
      const auto [at, is_new] = seen.emplace(next, block);
      if (is_new) continue;
      const Names heads = names;
      for (std::string& name : names) name += at->second;
      for (const std::string& head : heads) names.push_back(head + block);
      state = next;
      break;
    }
  }
  return names;
}

/// What the names cost a map: steps an operation, of which a straight search makes one.
double steps_per_operation(const MapOptions& options, const Names& names) {
  Map<testing::Text> map(options);
  const std::uint64_t before = extra_steps;
  std::size_t operations = 0;
  for (const std::string& name : names) map.put(testing::text(name, 1));
  const base::Epoch::Guard guard;
  for (const std::string& name : names) {
    EXPECT_NE(map.find(guard, make_key(name)), nullptr) << name;
    EXPECT_EQ(map.find(guard, make_key(name + "?")), nullptr) << name;
  }
  for (const std::string& name : names) EXPECT_TRUE(map.erase(make_key(name))) << name;
  operations = 4 * names.size();
  return 1 + static_cast<double>(extra_steps - before) / static_cast<double>(operations);
}

struct Crafted {
  const char* what;
  Names names;
};
/// Made while the secret is 0, as somebody would who does not know it.
const std::vector<Crafted>& crafted() {
  static const std::vector<Crafted> all = {
      {"XXH3 top bits", xxh3_agreeing(0xffcull << 52)},
      {"XXH3 low bits", xxh3_agreeing(0x3ff)},
      {"XXH3 home bits", xxh3_agreeing(0xf'fc00)},
      {"FNV-1a low bits from the standard basis", fnv1a_agreeing_in_low_bits(kFnvBasis)},
      // The low bits of the basis could be guessed: so this one knows them.
      {"FNV-1a low bits from the secret basis", fnv1a_agreeing_in_low_bits(kFnvBasis ^ kSecret)},
  };
  return all;
}

class CraftedKeys : public ::testing::TestWithParam<std::tuple<Strategy, Hash>> {
 protected:
  void SetUp() override {
    (void)crafted();
    set_hash_secret(kSecret);
  }
  void TearDown() override { set_hash_secret(0); }
};
INSTANTIATE_TEST_SUITE_P(StrategiesAndHashes, CraftedKeys,
                         ::testing::Combine(::testing::ValuesIn(kStrategies),
                                            ::testing::ValuesIn(kHashes)),
                         [](const auto& each) {
                           return std::string(to_string(std::get<0>(each.param))) +
                                  to_string(std::get<1>(each.param));
                         });

TEST_P(CraftedKeys, CostAtMostTwiceAnOrdinaryKey) {
  const auto [strategy, hash] = GetParam();
  const MapOptions options{.strategy = strategy, .shards = 16, .hash = hash};
  const double usual = steps_per_operation(options, ordinary());
  for (const auto& [what, names] : crafted()) {
    EXPECT_LE(steps_per_operation(options, names), 2 * usual) << what;
  }
  faults::record({.row = 36,
                  .outcome = "keys crafted against the unseeded hash cost at most twice an "
                             "ordinary one, in steps counted",
                  .evidence = "probe chains of /debug/maps",
                  .recovery = {}});
}

TEST_P(CraftedKeys, DoMeetWhereThereIsNoSecret) {
  const auto [strategy, hash] = GetParam();
  if (hash == Hash::kFNV1a) return;  // finalized: not even the standard basis makes them meet
  set_hash_secret(0);
  const MapOptions options{.strategy = strategy, .shards = 16, .hash = hash};
  double worst = 0;
  for (const auto& [what, names] : crafted()) {
    worst = std::max(worst, steps_per_operation(options, names));
  }
  EXPECT_GT(worst, 4 * steps_per_operation(options, ordinary()));
}

TEST(Fnv1a, UnfinalizedWouldLetKeysMeetUnderASecretBasis) {
  const Names names = fnv1a_agreeing_in_low_bits(kFnvBasis ^ kSecret);
  const std::uint64_t first = plain_fnv1a(kFnvBasis ^ kSecret, names[0]);
  for (const std::string& name : names) {
    ASSERT_EQ((plain_fnv1a(kFnvBasis ^ kSecret, name) ^ first) & 0xf'ffff, 0u);
  }
}

TEST(Fnv1a, IsFinalizedSoThatEqualLowBitsDoNotShow) {
  const Names names = fnv1a_agreeing_in_low_bits(kFnvBasis);
  std::unordered_map<std::uint64_t, int> homes;
  for (const std::string& name : names) ++homes[fnv1a_hash(name) >> 54];
  for (const auto& [home, count] : homes) EXPECT_LE(count, 10) << home;
}

}  // namespace
}  // namespace podkeeper::cmap
