#include "pkg/base/epoch.h"
#include "pkg/base/panic.h"
#include "pkg/base/ref.h"
#include "pkg/cmap/flat_table.h"
#include "pkg/cmap/strategy.h"
#include "pkg/cmap/write.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/cmap/support/text_record.h"

namespace podkeeper::cmap {
namespace {

using base::Epoch;
using testing::Text;
using testing::text;

std::string name(std::uint64_t i) { return "ns/" + std::to_string(i); }

/// What a Switchover asks of a table, over every strategy, whether by calls for that or others.
class SettledTable : public ::testing::TestWithParam<Strategy> {
 protected:
  void SetUp() override {
    Epoch::collect();  // what the tests before left
    ASSERT_EQ(Text::alive, 0);
    table_ = detail::make_map({.strategy = GetParam(), .shards = 4});
  }
  void TearDown() override {
    table_.reset();
    for (int i = 0; i < 3; ++i) Epoch::collect();  // tables, then the records they held
    EXPECT_EQ(Text::alive, 0) << "a count was lost or given back twice";
  }

  void put_absent(std::uint64_t from, std::uint64_t to, std::uint64_t value) {
    std::vector<base::Ref<const Text>> mine;
    std::vector<const Record*> records;
    for (std::uint64_t i = from; i < to; ++i) mine.push_back(text(name(i), value));
    for (const auto& record : mine) records.push_back(record.get());
    table_->put_absent(Epoch::Guard(), records);
  }
  [[nodiscard]] std::uint64_t value_of(std::uint64_t i) const {
    const std::string key = name(i);
    const std::vector<Key> keys = {make_key(key)};
    std::vector<const Record*> found(1);
    const Epoch::Guard guard;
    table_->find_settled(guard, keys, found);
    EXPECT_EQ(found[0], table_->find(guard, keys[0]));
    return found[0] == nullptr ? 0 : static_cast<const Text*>(found[0])->value();
  }

  std::unique_ptr<detail::AnyMap> table_;
};

INSTANTIATE_TEST_SUITE_P(Strategies, SettledTable, ::testing::ValuesIn(kStrategies),
                         [](const auto& each) { return to_string(each.param); });

TEST_P(SettledTable, TakesManyAtOnceWhereTheirKeysAreAbsentWhetherThereIsRoomOrNot) {
  for (const std::size_t reserved : {0u, 100u, 100'000u}) {
    SCOPED_TRACE(reserved);
    table_ = detail::make_map({.strategy = GetParam(), .shards = 4});
    table_->reserve(reserved);
    put_absent(1'000, 1'100, 1);
    put_absent(0, 3'000, 2);
    EXPECT_EQ(table_->size(), 3'000u);
    for (std::uint64_t i = 0; i < 3'000; ++i) {
      ASSERT_EQ(value_of(i), i >= 1'000 && i < 1'100 ? 1 : 2) << i;
    }
    std::size_t bytes = 0;
    table_->for_each(Epoch::Guard(), [&](const Record& record) { bytes += record.byte_size(); });
    EXPECT_EQ(table_->stats().record_bytes, bytes);
  }
}

TEST_P(SettledTable, ShowsAWalkOfItEachKeyOnce) {
  put_absent(0, 3'000, 1);
  std::map<std::string, int> seen;
  for (std::optional<std::uint64_t> at = 0; at;) {
    at = table_->for_each_settled_from(
        Epoch::Guard(), *at, [&](const Record& record) { ++seen[std::string(record.key_text())]; });
  }
  EXPECT_EQ(seen.size(), 3'000u);
  for (const auto& [key, times] : seen) EXPECT_EQ(times, 1) << key;
}

TEST_P(SettledTable, ShowsKeysThatStayWhileOthersComeAndGo) {
  constexpr std::uint64_t kStaying = 2'000;
  put_absent(0, kStaying, 1);
  std::atomic<bool> done{false};
  std::jthread writer([&] {
    for (std::uint64_t round = 0; !done; ++round) {
      const std::uint64_t i = kStaying + round * 7'919 % 20'000;  // so that the table changes size
      if (round / 20'000 % 2 == 0) {
        table_->put(text(name(i), 2));
      } else {
        table_->erase(make_key(name(i)));
      }
    }
  });
  for (int walk = 0; walk < 10; ++walk) {
    std::map<std::string, int> seen;
    for (std::optional<std::uint64_t> at = 0; at;) {
      at = table_->for_each_settled_from(Epoch::Guard(), *at, [&](const Record& record) {
        ++seen[std::string(record.key_text())];
      });
    }
    for (std::uint64_t i = 0; i < kStaying; ++i) {
      ASSERT_EQ(seen[name(i)], 1) << i;
      ASSERT_EQ(value_of(i), 1u) << i;
    }
  }
  done = true;
}

TEST_P(SettledTable, IsClearedInShortStretches) {
  put_absent(0, 20'000, 1);
  std::size_t dropped = 0;
  for (std::optional<std::uint64_t> at = 0; at;) {
    const std::size_t before = dropped;
    at = table_->clear_from(*at, &dropped);
    ASSERT_LE(dropped - before, 512u);
    ASSERT_EQ(table_->size(), 20'000u - dropped);
  }
  EXPECT_EQ(dropped, 20'000u);
  for (std::uint64_t i = 0; i < 20'000; ++i) ASSERT_EQ(value_of(i), 0u) << i;
}

TEST_P(SettledTable, GivesBackRoomThatItDoesNotNeedOnceItMay) {
  table_->reserve(100'000);
  put_absent(0, 100, 1);
  table_->erase(make_key(name(0)));
  const std::size_t reserved = table_->stats().table_bytes;
  table_->reserve(0);
  table_->erase(make_key(name(1)));
  EXPECT_LE(table_->stats().table_bytes, reserved);
  EXPECT_LT(table_->stats().table_bytes, 512u * 1024) << "98 keys are left";
  for (std::uint64_t i = 2; i < 100; ++i) ASSERT_EQ(value_of(i), 1u) << i;
}

/// How a table of one piece keeps the room that it was told to have.
class ReservedFlatTable : public ::testing::Test {
 protected:
  FlatTable::Answer apply(const FlatTable::Write& write) {
    FlatTable::Storage none;
    const auto answer = table_.apply(write, none);
    if (answer.before != nullptr) Epoch::retire(base::Ref<const Record>::adopt(answer.before));
    return answer;
  }
  void put(std::uint64_t i) {
    auto record = text(name(i), 1);
    ASSERT_EQ(apply({.key = record->key(), .record = record.get()}).outcome,
              FlatTable::Outcome::kDone)
        << "it asked for storage";
    (void)record.release();
  }
  void reserve(std::size_t entries) {
    FlatTable::Storage spare(FlatTable::buckets_holding(entries));
    table_.reserve(spare);
    std::move(spare).retire();
  }

  FlatTable table_;
};

TEST_F(ReservedFlatTable, NeedsNoStorageForAsManyEntries) {
  reserve(1'000);
  const std::size_t bytes = table_.bytes();
  for (std::uint64_t i = 0; i < 1'000; ++i) put(i);
  EXPECT_EQ(table_.bytes(), bytes);
}

TEST_F(ReservedFlatTable, DoesNotShrinkUntilItMay) {
  put(0);
  reserve(1'000);
  const std::size_t bytes = table_.bytes();
  for (std::uint64_t i = 1; i < 10; ++i) put(i);
  const std::string first = name(0);
  EXPECT_EQ(apply({.key = make_key(first)}).outcome, FlatTable::Outcome::kDone);
  EXPECT_EQ(table_.bytes(), bytes);
  FlatTable::Storage none;
  table_.reserve(none);
  EXPECT_EQ(table_.bytes(), bytes) << "by an erase";
  const std::string second = name(1);
  EXPECT_EQ(apply({.key = make_key(second)}).outcome, FlatTable::Outcome::kNeedsStorage);
}

TEST_F(ReservedFlatTable, IsWalkedBesideAWriterThatACollectWouldMeet) {
  for (std::uint64_t i = 0; i < 5; ++i) put(i);
  std::vector<const Record*> out;
  out.reserve(16);
  table_.flag().write([&] {
    std::optional<std::uint64_t> position = 0;
    EXPECT_THROW((void)table_.collect(&position, &out), base::Misuse);
    EXPECT_TRUE(table_.collect_settled(&position, &out));
    return true;
  });
  EXPECT_EQ(out.size(), 5u);
}

}  // namespace
}  // namespace podkeeper::cmap
