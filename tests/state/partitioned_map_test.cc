#include "pkg/state/partitioned_map.h"

#include "pkg/runtime/real_world.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace podkeeper::state {
namespace {

using namespace std::chrono_literals;
using base::Epoch;
using base::Task;

/// A record with one label, tier.
class Item final : public cmap::Record {
 public:
  Item(std::string key, std::string tier, std::uint64_t value)
      : text_(std::move(key)), tier_(std::move(tier)), value_(value) {
    labels_.emplace_back("tier", tier_);
    set_key(cmap::make_key(text_), sizeof(*this));
  }
  [[nodiscard]] Placement placement() const noexcept {
    return {std::string_view(text_).substr(0, text_.find('/')), labels_};
  }
  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }

 private:
  std::string text_;
  std::string tier_;
  kube::Object::LabelSpan labels_;
  std::uint64_t value_;
};

using Items = PartitionedMap<Item>;

base::Ref<const Item> item(const std::string& key, std::string tier, std::uint64_t value = 1) {
  return base::make_ref<const Item>(key, std::move(tier), value);
}

policy::PartitionRule rule(std::string policy, std::string selector,
                           std::vector<std::string> namespaces = {},
                           cmap::Strategy strategy = cmap::Strategy::kMutex) {
  return {.policy = std::move(policy),
          .namespaces = std::move(namespaces),
          .pods = kube::LabelSelector::parse(selector).value(),
          .map = {.strategy = strategy}};
}

/// {policy: entries}, the default partition as "".
std::map<std::string, std::size_t> entries(const Items& items) {
  std::map<std::string, std::size_t> entries;
  for (const policy::PartitionReport& partition : items.partitions().report()) {
    entries[partition.policy] = partition.map.entries;
  }
  return entries;
}

std::uint64_t value_of(const Items& items, const std::string& key) {
  const Epoch::Guard guard;
  const Item* found = items.find(guard, cmap::make_key(key));
  return found == nullptr ? 0 : found->value();
}

base::Result<void> apply(runtime::SimulatedWorld& world, Items& items, policy::PartitionPlan plan) {
  base::Result<void> outcome;
  auto body = [&]() -> Task<void> {
    auto applying = items.partitions().apply(std::move(plan));
    outcome = co_await std::move(applying);
  };
  world.run_task(body);
  return outcome;
}

using Entries = std::map<std::string, std::size_t>;

TEST(PartitionedMap, MovesWhatAPlanSelectsAndBringsItBack) {
  runtime::SimulatedWorld world(1);
  Items items("items", "items", world.clock());
  for (unsigned i = 0; i < 90; ++i) {
    const std::string tier = i % 3 == 0 ? "web" : "db";
    items.put(item((i % 2 == 0 ? "even/" : "odd/") + std::to_string(i), tier, 100u + i));
  }
  EXPECT_EQ(entries(items), (Entries{{"", 90}}));
  ASSERT_TRUE(apply(world, items, {.rules = {rule("web", "tier=web"), rule("odd", "", {"odd"})}}));
  EXPECT_EQ(entries(items), (Entries{{"web", 30}, {"odd", 30}, {"", 30}}));
  EXPECT_EQ(items.partitions().report().front().map.strategy, cmap::Strategy::kMutex);
  EXPECT_EQ(items.partitions().report().back().map.strategy, cmap::Strategy::kSharded);
  ASSERT_TRUE(apply(world, items, {.rules = {rule("odd", "", {"o*"}), rule("web", "tier=web")}}));
  EXPECT_EQ(entries(items), (Entries{{"web", 15}, {"odd", 45}, {"", 30}}));
  for (unsigned i = 0; i < 90; ++i) {
    EXPECT_EQ(value_of(items, (i % 2 == 0 ? "even/" : "odd/") + std::to_string(i)), 100u + i);
  }
  ASSERT_TRUE(apply(world, items, {}));
  EXPECT_EQ(entries(items), (Entries{{"", 90}}));
  EXPECT_EQ(items.size(), 90u);
}

TEST(PartitionedMap, ARecordWhoseLabelsChangeIsInOnePartition) {
  runtime::SimulatedWorld world(1);
  Items items("items", "items", world.clock());
  ASSERT_TRUE(apply(world, items, {.rules = {rule("web", "tier=web"), rule("db", "tier=db")}}));
  EXPECT_TRUE(items.put(item("a/x", "web", 1)));
  EXPECT_EQ(entries(items), (Entries{{"web", 1}, {"db", 0}, {"", 0}}));
  EXPECT_FALSE(items.put(item("a/x", "db", 2)));
  EXPECT_EQ(entries(items), (Entries{{"web", 0}, {"db", 1}, {"", 0}}));
  {
    const Epoch::Guard guard;
    const Item* held = items.find(guard, cmap::make_key("a/x"));
    EXPECT_FALSE(items.compare_and_put(guard, nullptr, item("a/x", "cache", 3)));
    EXPECT_TRUE(items.compare_and_put(guard, held, item("a/x", "cache", 3)));
    EXPECT_FALSE(items.compare_and_erase(guard, cmap::make_key("a/x"), held));
  }
  EXPECT_EQ(entries(items), (Entries{{"web", 0}, {"db", 0}, {"", 1}}));
  EXPECT_EQ(value_of(items, "a/x"), 3u);
  EXPECT_TRUE(items.erase(cmap::make_key("a/x")));
  EXPECT_FALSE(items.erase(cmap::make_key("a/x")));
  EXPECT_EQ(items.size(), 0u);
}

TEST(PartitionedMap, AuditsAsThePlanSaysAndGivesItsMapsByName) {
  runtime::SimulatedWorld world(1);
  Items items("items", "items", world.clock());
  policy::PartitionPlan plan{.rules = {rule("web", "tier=web")}};
  plan.rules[0].audit = {.mode = cmap::AuditMode::kAll, .ring_entries = 128};
  ASSERT_TRUE(apply(world, items, plan));
  items.put(item("a/x", "web"));
  items.put(item("a/y", "db"));
  const auto maps = items.partitions().maps();
  ASSERT_EQ(maps.size(), 2u);
  EXPECT_FALSE(maps.at("items~web")->audit_tail(8).empty());
  EXPECT_EQ(maps.at("items~web")->audit_tail(8).back().key, "a/x");
  EXPECT_TRUE(maps.at("items")->audit_tail(8).empty());
  ASSERT_TRUE(apply(world, items, {}));
  EXPECT_EQ(items.partitions().maps().size(), 1u);
  EXPECT_EQ(maps.at("items~web")->stats().entries, 0u) << "held, it stays";
}

TEST(PartitionedMap, APartitionThatStaysChangesItsStrategyAndTellsHowItWent) {
  runtime::SimulatedWorld world(1);
  Items items("items", "items", world.clock());
  for (unsigned i = 0; i < 3000; ++i) items.put(item("a/" + std::to_string(i), "web", 1 + i));
  ASSERT_TRUE(apply(world, items, {.rules = {rule("web", "tier=web")}}));
  EXPECT_FALSE(items.partitions().report().front().last_migration.has_value());
  policy::PartitionPlan next{.rules = {rule("web", "tier=web", {}, cmap::Strategy::kLockFree)}};
  next.rules[0].online = false;
  ASSERT_TRUE(apply(world, items, next));
  EXPECT_EQ(items.partitions().report().front().map.strategy, cmap::Strategy::kMutex)
      << "it was to wait for the next start";
  next.rules[0].online = true;
  ASSERT_TRUE(apply(world, items, next));
  const auto report = items.partitions().report().front();
  EXPECT_EQ(report.map.strategy, cmap::Strategy::kLockFree);
  EXPECT_EQ(report.map.entries, 3000u);
  ASSERT_TRUE(report.last_migration.has_value());
  EXPECT_GT(report.last_migration->milliseconds, 0);
  for (unsigned i = 0; i < 3000; ++i) {
    ASSERT_EQ(value_of(items, "a/" + std::to_string(i)), 1 + i);
  }
}

TEST(PartitionedMap, AChangeThatTakesTooLongHoldsNoOtherBack) {
  runtime::SimulatedWorld world(1);
  Items items("items", "items", world.clock());
  for (int i = 0; i < 3000; ++i) {
    items.put(item("a/" + std::to_string(i), i % 2 == 0 ? "web" : "db"));
  }
  ASSERT_TRUE(apply(world, items, {.rules = {rule("web", "tier=web"), rule("db", "tier=db")}}));
  policy::PartitionPlan next{.rules = {rule("web", "tier=web", {}, cmap::Strategy::kLockFree),
                                       rule("db", "tier=db", {}, cmap::Strategy::kLockFree)}};
  next.rules[0].migration_timeout = 0ms;
  const auto outcome = apply(world, items, next);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, base::ErrorCode::kTimeout);
  const auto report = items.partitions().report();
  EXPECT_EQ(report[0].map.strategy, cmap::Strategy::kMutex);
  EXPECT_EQ(report[1].map.strategy, cmap::Strategy::kLockFree);
  next.rules[0].migration_timeout = 10s;
  ASSERT_TRUE(apply(world, items, next)) << "another try may take its time";
  EXPECT_EQ(items.partitions().report()[0].map.strategy, cmap::Strategy::kLockFree);
}

TEST(PartitionedMap, ASecondChangeIsRefusedWhileOneRuns) {
  runtime::SimulatedWorld world(1);
  Items items("items", "items", world.clock());
  // Enough that the change pauses on its way.
  for (int i = 0; i < 3000; ++i) items.put(item("a/" + std::to_string(i), "web"));
  runtime::TaskRegistry registry(world.clock());
  runtime::TaskGroup group(world, registry, "test");
  base::Result<void> first;
  base::Result<void> second;
  auto body = [&]() -> Task<void> {
    const auto change = [&](base::Result<void>& outcome) {
      return [&]() -> Task<void> {
        auto applying = items.partitions().apply({.rules = {rule("web", "tier=web")}});
        outcome = co_await std::move(applying);
      };
    };
    (void)group.spawn("first", base::Handler::kTimer, change(first));
    (void)group.spawn("second", base::Handler::kTimer, change(second));
    auto joining = group.join();
    co_await std::move(joining);
  };
  world.run_task(body);
  EXPECT_NE(first.has_value(), second.has_value());
  EXPECT_EQ((first ? second : first).error().code, base::ErrorCode::kConflict);
}

TEST(PartitionedMap, AChangeThatIsStoppedHalfWayLosesNothing) {
  constexpr unsigned kItems = 5000;
  for (const auto stop_after : {0ms, 1ms, 2ms, 3ms, 4ms}) {
    runtime::SimulatedWorld world(7);
    Items items("items", "items", world.clock());
    for (unsigned i = 0; i < kItems; ++i) items.put(item("a/" + std::to_string(i), "web", 1u + i));
    runtime::TaskRegistry registry(world.clock());
    runtime::TaskGroup group(world, registry, "test");
    auto body = [&]() -> Task<void> {
      (void)group.spawn("change", base::Handler::kTimer, [&]() -> Task<void> {
        auto applying = items.partitions().apply({.rules = {rule("web", "tier=web")}});
        (void)co_await std::move(applying);
      });
      auto nap = world.clock().sleep_for(stop_after);
      co_await std::move(nap);
      group.stop();
      auto joining = group.join();
      co_await std::move(joining);
    };
    world.run_task(body);
    for (unsigned i = 0; i < kItems; ++i) {
      ASSERT_EQ(value_of(items, "a/" + std::to_string(i)), 1u + i) << stop_after.count();
    }
    ASSERT_EQ(items.size(), kItems);
    items.put(item("a/7", "db", 700));
    EXPECT_EQ(value_of(items, "a/7"), 700u);
    ASSERT_TRUE(apply(world, items, {.rules = {rule("db", "tier=db")}}));
    EXPECT_EQ(entries(items), (Entries{{"db", 1}, {"", kItems - 1}}));
  }
}

/// Readers, walkers and a writer go on while the plan changes and labels do.
class Traffic {
 public:
  static constexpr int kItems = 300;
  static constexpr std::uint64_t kRounds = 60;

  void write() {
    for (std::uint64_t round = 2; round <= kRounds; ++round) {
      for (int i = 0; i < kItems; ++i) {
        const bool fleeting = i % 10 == 0;
        if (fleeting && round % 2 == 0) {
          EXPECT_TRUE(items.erase(cmap::make_key(key(i))));
          EXPECT_EQ(value_of(items, key(i)), 0u) << "an erased record came back";
          continue;
        }
        const char* tier = (static_cast<std::uint64_t>(i) + round) % 2 == 0 ? "web" : "db";
        EXPECT_EQ(items.put(item(key(i), tier, round)), fleeting);
        EXPECT_EQ(value_of(items, key(i)), round);
      }
    }
    done = true;
  }

  void read() const {
    std::vector<std::uint64_t> seen(kItems, 0);
    while (!done) {
      for (int i = 0; i < kItems; ++i) {
        const std::uint64_t value = value_of(items, key(i));
        if (i % 10 == 0 && value == 0) continue;
        ASSERT_GE(value, seen[static_cast<std::size_t>(i)]) << key(i) << " was missed or went back";
        seen[static_cast<std::size_t>(i)] = value;
      }
    }
  }

  void read_in_bulk() const {
    std::vector<cmap::Key> keys;
    std::vector<std::string> texts;
    for (int i = 0; i < kItems; ++i) texts.push_back(key(i));
    for (const std::string& text : texts) keys.push_back(cmap::make_key(text));
    std::vector<const cmap::Record*> found(keys.size());
    while (!done) {
      const Epoch::Guard guard;
      items.find_many(guard, keys, found);
      for (int i = 0; i < kItems; ++i) {
        const cmap::Record* record = found[static_cast<std::size_t>(i)];
        ASSERT_TRUE(record != nullptr || i % 10 == 0) << key(i) << " was missed";
        if (record != nullptr) ASSERT_EQ(record->key_text(), key(i));
      }
    }
  }

  void walk() const {
    while (!done) {
      std::map<std::string, int> shown;
      {
        const Epoch::Guard guard;
        items.for_each(guard, [&](const Item& it) { ++shown[std::string(it.key_text())]; });
      }
      for (int i = 0; i < kItems; ++i) {
        const int times = shown[key(i)];
        ASSERT_LE(times, 1) << key(i) << " was shown twice";
        if (i % 10 != 0) ASSERT_EQ(times, 1) << key(i) << " was missed";
      }
    }
  }

  explicit Traffic(base::Clock& clock) : items("items", "items", clock) {}

  static std::string key(int i) { return (i % 2 == 0 ? "even/" : "odd/") + std::to_string(i); }

  Items items;
  std::atomic<bool> done{false};
};

TEST(PartitionedMap, NothingIsMissedOrDoubledWhilePlansAndLabelsChange) {
  runtime::RealWorld world;
  Traffic traffic(world.clock());
  for (int i = 0; i < Traffic::kItems; ++i) traffic.items.put(item(Traffic::key(i), "web", 1));
  std::vector<std::thread> threads;
  threads.emplace_back([&] { traffic.read(); });
  threads.emplace_back([&] { traffic.read_in_bulk(); });
  threads.emplace_back([&] { traffic.walk(); });
  threads.emplace_back([&] { traffic.write(); });
  const policy::PartitionPlan plans[] = {
      {.rules = {rule("web", "tier=web")}},
      {.rules = {rule("db", "tier=db"), rule("even", "", {"even"}, cmap::Strategy::kSharded)}},
      {},
      {.rules = {rule("all", "", {"*"})}},
      {.rules = {rule("odd", "", {"odd"}), rule("web", "tier in (web,db)")}}};
  std::size_t applied = 0;
  auto body = [&]() -> Task<void> {
    while (!traffic.done) {
      auto applying = traffic.items.partitions().apply(plans[applied % std::size(plans)]);
      EXPECT_TRUE((co_await std::move(applying)).has_value());
      ++applied;
    }
  };
  world.run_task(body);
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(applied, 0u);
  EXPECT_EQ(traffic.items.size(), static_cast<std::size_t>(Traffic::kItems * 9 / 10));
}

}  // namespace
}  // namespace podkeeper::state
