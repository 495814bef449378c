#include "pkg/cmap/flat_table.h"

#include "pkg/base/panic.h"
#include "pkg/cmap/write.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/cmap/support/text_record.h"

namespace podkeeper::cmap {
namespace {

using testing::text;
using testing::text_with_hash;
using Outcome = FlatTable::Outcome;

class FlatTableTest : public ::testing::Test {
 protected:
  auto applier() {
    return [this](const FlatTable::Write& write, FlatTable::Storage& spare) {
      const auto answer = table_.apply(write, spare);
      if (answer.outcome == Outcome::kNeedsStorage && answer.buckets == buckets()) ++rebuilt_same_;
      return answer;
    };
  }

  bool put(base::Ref<const Record> record) {
    return commit_put(std::move(record), false, nullptr, counters_, applier()).before == nullptr;
  }
  bool erase(const Key& key) {
    return commit({.key = key}, counters_, applier()).outcome == Outcome::kDone;
  }
  [[nodiscard]] std::size_t buckets() const { return table_.bytes() / sizeof(FlatTable::Bucket); }

  FlatTable table_;
  Counters counters_;
  std::size_t rebuilt_same_ = 0;  ///< how often the table asked for storage of the size it has
};

TEST_F(FlatTableTest, AsksForStorageBeforeItChangesAnything) {
  FlatTable::Storage none;
  std::size_t held = 0;
  for (;; ++held) {
    auto record = text("ns/" + std::to_string(held), 1);
    const auto answer = table_.apply({.key = record->key(), .record = record.get()}, none);
    if (answer.outcome == Outcome::kNeedsStorage) {
      EXPECT_EQ(answer.buckets, 2u);
      EXPECT_EQ(table_.find(record->key()), nullptr);
      break;
    }
    (void)record.release();
  }
  EXPECT_EQ(table_.size(), held);
  EXPECT_EQ(buckets(), 1u);
}

TEST_F(FlatTableTest, TellsKeysOfOneHashApart) {
  constexpr std::uint64_t kHash = 0x1234'5678'9abc'def0;
  for (std::uint64_t i = 0; i < 500; ++i) put(text_with_hash(std::to_string(i), i, kHash));
  EXPECT_EQ(table_.size(), 500u);
  for (std::uint64_t i = 0; i < 500; i += 2) EXPECT_TRUE(erase({std::to_string(i), kHash}));
  for (std::uint64_t i = 0; i < 500; ++i) {
    const std::string name = std::to_string(i);
    EXPECT_EQ(table_.find({name, kHash}) != nullptr, i % 2 == 1) << i;
  }
}

TEST_F(FlatTableTest, GoesAroundTheEndOfTheTable) {
  constexpr std::uint64_t kLast = ~std::uint64_t{0};  // at home in the last bucket of any size
  for (std::uint64_t i = 0; i < 40; ++i) put(text_with_hash(std::to_string(i), i, kLast - i % 2));
  for (std::uint64_t i = 0; i < 40; ++i) {
    const std::string name = std::to_string(i);
    EXPECT_NE(table_.find({name, kLast - i % 2}), nullptr);
  }
  std::vector<const Record*> out;
  out.reserve(64);
  std::optional<std::uint64_t> position = 0;
  std::size_t shown = 0;
  while (position) {
    ASSERT_TRUE(table_.collect(&position, &out));
    shown += out.size();
  }
  EXPECT_EQ(shown, 40u);
}

TEST_F(FlatTableTest, RebuildsItselfInTheSameSizeWhenTombstonesPileUp) {
  for (int i = 0; i < 1'000; ++i) put(text("ns/" + std::to_string(i), 1));
  const std::size_t before = buckets();
  for (int i = 0; i < 20'000; ++i) {
    erase(make_key("ns/" + std::to_string(i)));
    put(text("ns/" + std::to_string(i + 1'000), 1));
  }
  EXPECT_EQ(buckets(), before);
  EXPECT_GT(rebuilt_same_, 0u);
}

TEST_F(FlatTableTest, DoesNotSwingBetweenTwoSizes) {
  for (int i = 0; i < 1'000; ++i) put(text("ns/" + std::to_string(i), 1));
  int left = 1'000;
  const std::size_t full = buckets();
  while (buckets() == full) erase(make_key("ns/" + std::to_string(--left)));
  const std::size_t shrunk = buckets();
  for (int i = left; i < left + left / 2; ++i) put(text("ns/" + std::to_string(i), 1));
  EXPECT_EQ(buckets(), shrunk) << "half as many again must fit";
}

TEST_F(FlatTableTest, CollectsNothingWhereTheListHasNoRoom) {
  for (int i = 0; i < 5; ++i) put(text("ns/" + std::to_string(i), 1));
  std::vector<const Record*> out;
  std::optional<std::uint64_t> position = 0;
  EXPECT_FALSE(table_.collect(&position, &out));
  EXPECT_EQ(out.capacity(), 0u) << "it must not allocate under the owner's lock";
  EXPECT_EQ(position, 0u);
  out.reserve(5);
  EXPECT_TRUE(table_.collect(&position, &out));
  EXPECT_EQ(out.size(), 5u);
  EXPECT_EQ(position, std::nullopt);
}

TEST_F(FlatTableTest, WalksEachKeyOnceThoughItGrowsAndShrinksInBetween) {
  for (int i = 0; i < 5'000; ++i) put(text("ns/" + std::to_string(i), 1));
  std::vector<int> seen(5'000, 0);
  std::vector<const Record*> out;
  out.reserve(10'000);
  std::optional<std::uint64_t> position = 0;
  for (int step = 0; position; ++step) {
    ASSERT_TRUE(table_.collect(&position, &out));
    for (const Record* record : out) {
      if (!record->key_text().starts_with("ns/")) continue;
      ++seen[std::stoul(std::string(record->key_text().substr(3)))];
    }
    for (int i = 0; i < 40'000 && step % 2 == 0; ++i) put(text("more/" + std::to_string(i), 1));
    for (int i = 0; i < 40'000 && step % 2 == 1; ++i) erase(make_key("more/" + std::to_string(i)));
  }
  EXPECT_EQ(seen, std::vector<int>(5'000, 1));
}

TEST(FlatTableStorage, RefusesMoreBucketsThanTheLimit) {
  EXPECT_THROW(FlatTable::Storage(FlatTable::kBucketsMax * 2), base::Panic);
  EXPECT_THROW(FlatTable::Storage(3), base::Panic);
}

}  // namespace
}  // namespace podkeeper::cmap
