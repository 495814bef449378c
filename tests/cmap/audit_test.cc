#include "pkg/cmap/audit.h"

#include "pkg/base/epoch.h"
#include "pkg/base/panic.h"
#include "pkg/base/task_context.h"
#include "pkg/cmap/map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/cmap/support/manual_clock.h"
#include "tests/cmap/support/text_record.h"

namespace podkeeper::cmap {
namespace {

using base::Epoch;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::ManualClock;
using ::testing::SizeIs;
using testing::text;
using testing::Text;

base::Ref<base::TaskContext> task(std::uint64_t id, const std::string& name) {
  return base::make_ref<base::TaskContext>(id, std::uint64_t{0}, name, base::Handler::kEvent,
                                           base::MonotonicTime{}, std::source_location::current());
}

/// "put added ns/a" and so on, newest first.
std::vector<std::string> said(const Observed& map) {
  std::vector<std::string> lines;
  for (const AuditEntry& e : map.audit_tail(1000)) {
    lines.push_back(std::string(to_string(e.operation)) + " " + to_string(e.operation, e.outcome) +
                    " " + e.key);
  }
  return lines;
}

TEST(AuditRing, KeepsTheNewestAndForgetsTheOldest) {
  AuditRing ring(64);
  for (std::uint64_t i = 1; i <= 100; ++i) {
    ring.note({.task_id = i, .hash = i * 7}, "ns/pod-" + std::to_string(i), "task");
  }
  const auto all = ring.newest(1000);
  ASSERT_THAT(all, SizeIs(64));
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].sequence, 100 - i);
    EXPECT_EQ(all[i].key, "ns/pod-" + std::to_string(100 - i));
  }
  EXPECT_THAT(ring.newest(3), SizeIs(3));
  EXPECT_EQ(ring.noted(), 100U);
  EXPECT_EQ(ring.lost(), 0U);
  EXPECT_EQ(ring.bytes(), 64U * 128U);
}

TEST(AuditRing, KeepsBothEndsOfALongKey) {
  const std::string key = "namespace-of-one-team/" + std::string(200, 'x') + "-7f9c4-abcde";
  const std::string kept = shorten_key(key);
  EXPECT_EQ(kept.size(), AuditEntry::kKeyBytes);
  EXPECT_TRUE(kept.starts_with("namespace-of-one-team/.."));
  EXPECT_TRUE(kept.ends_with("-7f9c4-abcde"));
  AuditRing ring(64);
  ring.note({}, key, std::string(100, 't'));
  EXPECT_EQ(ring.newest(1).front().key, kept);
  EXPECT_EQ(ring.newest(1).front().task_name, std::string(AuditEntry::kTaskNameBytes, 't'));
}

TEST(AuditRing, ShowsNoTornEntryWhileManyWrite) {
  constexpr std::uint64_t kEach = 20'000;
  constexpr std::uint64_t kThreads = 4;
  AuditRing ring(64);  // small: writers lap each other and the reader all the time
  std::atomic<bool> done{false};
  std::uint64_t read = 0;
  std::uint64_t torn = 0;
  {
    std::vector<std::jthread> writers;
    for (std::uint64_t t = 1; t <= kThreads; ++t) {
      writers.emplace_back([&ring, t] {
        for (std::uint64_t i = 1; i <= kEach; ++i) {
          const std::uint64_t value = t * 1'000'000 + i;
          ring.note({.task_id = value, .hash = value * 31}, std::to_string(value),
                    std::to_string(t));
        }
      });
    }
    std::jthread reader([&] {
      while (!done.load()) {
        for (const AuditEntry& e : ring.newest(64)) {
          ++read;
          const bool whole = e.hash == e.task_id * 31 && e.key == std::to_string(e.task_id) &&
                             e.task_name == std::to_string(e.task_id / 1'000'000);
          if (!whole) ++torn;
        }
      }
    });
    for (auto& writer : writers) writer.join();
    done = true;
  }
  EXPECT_EQ(torn, 0U);
  EXPECT_GT(read, 0U);
  EXPECT_EQ(ring.noted(), kEach * kThreads);
  // Quiet again, every slot holds its newest entry but for those that were given up.
  std::set<std::uint64_t> sequences;
  for (const AuditEntry& e : ring.newest(64)) sequences.insert(e.sequence);
  EXPECT_GE(sequences.size() + ring.lost(), 64U);
}

TEST(MapAudit, IsOffUntilItIsSet) {
  Map<Text> map;
  map.put(text("a", 1));
  EXPECT_THAT(map.audit_tail(10), IsEmpty());
  EXPECT_EQ(map.audit_state().options.mode, AuditMode::kOff);
  EXPECT_EQ(map.audit_state().bytes, 0U);
}

class MapAuditOfStrategy : public ::testing::TestWithParam<Strategy> {};

TEST_P(MapAuditOfStrategy, KeepsEveryOperationWithItsOutcome) {
  Map<Text> map{MapOptions{.strategy = GetParam(), .shards = 4}};
  map.set_audit({.mode = AuditMode::kAll, .ring_entries = 64});
  map.put(text("ns/a", 1));
  map.put(text("ns/a", 2));
  {
    const Epoch::Guard guard;
    const Text* a = map.find(guard, make_key("ns/a"));
    ASSERT_NE(a, nullptr);
    EXPECT_EQ(map.find(guard, make_key("ns/b")), nullptr);
    EXPECT_TRUE(map.compare_and_put(guard, a, text("ns/a", 3)));
    EXPECT_FALSE(map.compare_and_put(guard, a, text("ns/a", 4)));
    EXPECT_FALSE(map.compare_and_erase(guard, make_key("ns/a"), a));
    map.for_each(guard, [](const Text&) {});
  }
  map.erase(make_key("ns/a"));
  map.erase(make_key("ns/a"));
  EXPECT_THAT(said(map),
              ElementsAre("erase absent ns/a", "erase erased ns/a", "iterate walked ",
                          "compare_and_erase refused ns/a", "compare_and_put refused ns/a",
                          "compare_and_put done ns/a", "find absent ns/b", "find found ns/a",
                          "put replaced ns/a", "put added ns/a"));
}
INSTANTIATE_TEST_SUITE_P(Strategies, MapAuditOfStrategy, ::testing::ValuesIn(kStrategies),
                         [](const auto& param) { return to_string(param.param); });

TEST(MapAudit, KeepsEachKeyOfABulkLookup) {
  Map<Text> map;
  map.put(text("ns/a", 1));
  map.set_audit({.mode = AuditMode::kAll});
  const std::vector<Key> keys = {make_key("ns/a"), make_key("ns/b")};
  std::vector<const Record*> found(keys.size());
  const Epoch::Guard guard;
  map.find_many(guard, keys, found);
  EXPECT_THAT(said(map), ElementsAre("find absent ns/b", "find found ns/a"));
}

TEST(MapAudit, TellsTaskTimeAndPlace) {
  ManualClock clock;
  Map<Text> map{MapOptions{.shards = 256}};
  map.set_audit({.mode = AuditMode::kAll, .clock = &clock});
  const auto worker = task(42, "reflector pods");
  {
    const base::TaskScope scope(worker.get());
    map.put(text("ns/a", 1));
  }
  const auto entry = map.audit_tail(1).front();
  EXPECT_EQ(entry.when, clock.time);
  EXPECT_EQ(entry.task_id, 42U);
  EXPECT_EQ(entry.task_name, "reflector pods");
  EXPECT_EQ(entry.hash, make_key("ns/a").hash);
  EXPECT_EQ(entry.position, map.position_of(make_key("ns/a")));
}

TEST(MapAudit, SamplesOneOfSoManyWhateverTheRhythm) {
  Map<Text> map;
  map.set_audit({.mode = AuditMode::kSampled, .ring_entries = 4096, .sample_every = 16});
  constexpr std::size_t kRounds = 16'384;
  for (std::size_t i = 0; i < kRounds; ++i) {  // find and put in turn: a rhythm that divides 16
    const Epoch::Guard guard;
    map.find(guard, make_key("ns/a"));
    map.put(text("ns/b", i));
  }
  const auto kept = map.audit_tail(4096);
  EXPECT_NEAR(static_cast<double>(map.audit_state().noted), kRounds * 2 / 16.0, 300);
  const auto finds = std::ranges::count(kept, Operation::kFind, &AuditEntry::operation);
  EXPECT_NEAR(static_cast<double>(finds), static_cast<double>(kept.size()) / 2, 200);
}

TEST(MapAudit, ChangesWhileTheMapIsInUse) {
  Map<Text> map;
  std::atomic<bool> done{false};
  {
    std::vector<std::jthread> users;
    for (std::uint64_t t = 0; t < 3; ++t) {
      users.emplace_back([&map, &done, t] {
        for (std::uint64_t i = 0; !done.load(); ++i) map.put(text(std::to_string(t), i));
      });
    }
    for (std::size_t i = 0; i < 100; ++i) {
      map.set_audit({.mode = kAuditModes[i % 3], .ring_entries = 64});
      for (const AuditEntry& e : map.audit_tail(64)) EXPECT_EQ(e.operation, Operation::kPut);
    }
    done = true;
  }
  map.set_audit({});
  EXPECT_THAT(map.audit_tail(64), IsEmpty());
}

TEST(MapAudit, KeepsItsRingWhenNothingChanges) {
  Map<Text> map;
  const AuditOptions options{.mode = AuditMode::kAll, .ring_entries = 100};
  map.set_audit(options);
  map.put(text("a", 1));
  map.set_audit(options);
  EXPECT_THAT(map.audit_tail(10), SizeIs(1));
  EXPECT_EQ(map.audit_state().bytes, 128U * 128U) << "rounded up to a power of two";
}

TEST(MapAudit, RefusesARingOutsideItsBounds) {
  Map<Text> map;
  EXPECT_THROW(map.set_audit({.mode = AuditMode::kAll, .ring_entries = 63}), base::Panic);
  EXPECT_THROW(map.set_audit({.mode = AuditMode::kAll, .ring_entries = (1 << 20) + 1}),
               base::Panic);
  EXPECT_THROW(map.set_audit({.mode = AuditMode::kSampled, .sample_every = 0}), base::Panic);
}

TEST(MapAudit, TellsTheOperationThatAPanicLeftEvenWhileItIsOff) {
  Map<Text> map;
  map.put(text("ns/a", 1));
  const Epoch::Guard guard;
  try {
    map.for_each(guard, [](const Text&) { throw std::runtime_error("of the visitor"); });
    FAIL() << "the panic must pass";
  } catch (const std::runtime_error&) {
    const auto left = take_panicked_operation();
    ASSERT_TRUE(left.has_value());
    EXPECT_EQ(left->map, &map);
    EXPECT_EQ(left->operation, Operation::kIterate);
    EXPECT_FALSE(take_panicked_operation().has_value()) << "once";
  }
  try {
    throw 1;
  } catch (int) {
    EXPECT_FALSE(take_panicked_operation().has_value()) << "this one left no map";
  }
}

}  // namespace
}  // namespace podkeeper::cmap
