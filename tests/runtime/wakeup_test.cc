#include "pkg/runtime/wakeup.h"

#include "pkg/base/panic.h"
#include "pkg/runtime/real_world.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "tests/runtime/harness.h"

namespace podkeeper::runtime {
namespace {

using namespace std::chrono_literals;
using base::Task;

TEST(Wakeup, KeepsANotifyForTheNextWaitAndSeveralAreOne) {
  Harness h;
  Wakeup wakeup(h.world.clock());
  wakeup.notify();
  wakeup.notify();
  auto body = [&]() -> Task<void> {
    auto first = wakeup.wait_until(h.now() + 1s);
    EXPECT_TRUE(co_await std::move(first));
    auto second = wakeup.wait_until(h.now() + 1s);
    EXPECT_FALSE(co_await std::move(second));
  };
  const auto start = h.now();
  h.world.run_task(body);
  EXPECT_EQ(h.now() - start, 1s);
}

TEST(Wakeup, WakesAWaiterAndNeverInline) {
  Harness h;
  Wakeup wakeup(h.world.clock());
  bool woken = false;
  h.spawn("waiter", [&]() -> Task<void> {
    auto wait = wakeup.wait();
    co_await std::move(wait);
    woken = true;
  });
  h.world.run();
  wakeup.notify();
  EXPECT_FALSE(woken);
  h.world.run();
  EXPECT_TRUE(woken);
}

TEST(Wakeup, LosesNoNotifyToADeadlineOrAStopUnderAnySeed) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Harness h(seed);
    Wakeup wakeup(h.world.clock());
    int taken = 0;
    h.spawn("waiter", [&]() -> Task<void> {
      auto wait = wakeup.wait_until(h.now() + 1s);  // the notify comes at the same moment
      if (co_await std::move(wait)) ++taken;
    });
    const auto executor = h.world.make_executor();
    h.world.clock().call_at(h.now() + 1s, executor, [&] { wakeup.notify(); });
    h.world.run();
    h.spawn("next", [&]() -> Task<void> {
      auto wait = wakeup.wait_until(h.now() + 1s);
      if (co_await std::move(wait)) ++taken;
    });
    h.world.run();
    EXPECT_EQ(taken, 1) << "seed " << seed;
  }
}

TEST(Wakeup, AStopThrowsAndANotifyAfterItIsKept) {
  Harness h;
  Wakeup wakeup(h.world.clock());
  TaskGroup group(h.world, h.registry, "stopped");
  auto waiter = [&]() -> Task<void> {
    auto wait = wakeup.wait();
    co_await std::move(wait);
    ADD_FAILURE() << "a stop is no notify";
  };
  ASSERT_TRUE(group.spawn("waiter", base::Handler::kEvent, waiter).has_value());
  h.world.run();
  group.stop();
  h.world.run();
  EXPECT_EQ(group.size(), 0u);
  wakeup.notify();
  auto body = [&]() -> Task<void> {
    auto wait = wakeup.wait_until(h.now() + 1s);
    EXPECT_TRUE(co_await std::move(wait));
  };
  h.world.run_task(body);
}

TEST(Wakeup, ASecondWaiterIsABug) {
  Harness h;
  Wakeup wakeup(h.world.clock());
  h.spawn("first", [&]() -> Task<void> {
    auto wait = wakeup.wait();
    co_await std::move(wait);
  });
  h.world.run();
  auto body = [&]() -> Task<void> {
    auto wait = wakeup.wait();
    co_await std::move(wait);
  };
  EXPECT_THROW(h.world.run_task(body), base::Panic);
}

TEST(Wakeup, HandsOverFromOtherThreadsWithoutLosingOne) {
  RealWorld world;
  Wakeup wakeup(world.clock());
  std::atomic<int> produced{0};
  constexpr int kCount = 20'000;
  std::jthread producer([&] {
    for (int i = 0; i < kCount; ++i) {
      ++produced;
      wakeup.notify();
    }
  });
  auto body = [&]() -> Task<void> {
    while (produced.load() < kCount) {
      auto wait = wakeup.wait_until(world.clock().now() + 60s);
      const bool notified = co_await std::move(wait);
      EXPECT_TRUE(notified) << "a notify was lost";
      if (!notified) co_return;
    }
  };
  world.run_task(body, 2);
}

TEST(WakeupList, NotifiesWhoSubscribesAndNobodyElse) {
  Harness h;
  WakeupList list;
  Wakeup one(h.world.clock());
  Wakeup two(h.world.clock());
  auto first = list.subscribe(one);
  {
    const auto second = list.subscribe(two);
    EXPECT_EQ(list.size(), 2u);
    auto moved = std::move(first);
    list.notify_all();
    first = std::move(moved);
  }
  EXPECT_EQ(list.size(), 1u);
  auto body = [&]() -> Task<void> {
    auto a = one.wait_until(h.now());
    EXPECT_TRUE(co_await std::move(a));
    auto b = two.wait_until(h.now());
    EXPECT_TRUE(co_await std::move(b));
    list.notify_all();
    auto again = two.wait_until(h.now());
    EXPECT_FALSE(co_await std::move(again));
  };
  h.world.run_task(body);
}

TEST(WakeupList, ASubscriptionMayOutliveItsWakeup) {
  Harness h;
  WakeupList list;
  auto wakeup = std::make_unique<Wakeup>(h.world.clock());
  const auto subscription = list.subscribe(*wakeup);
  wakeup.reset();
  list.notify_all();
}

}  // namespace
}  // namespace podkeeper::runtime
