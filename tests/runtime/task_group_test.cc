#include "pkg/runtime/task_group.h"

#include "pkg/base/panic.h"
#include "pkg/base/task_context.h"
#include "pkg/recovery/panic_report.h"
#include "pkg/runtime/real_world.h"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <source_location>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/faults/record.h"
#include "tests/runtime/harness.h"

namespace podkeeper::runtime {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using base::Task;
using base::TaskContext;

constexpr base::MonotonicTime kNever = base::MonotonicTime::max();

std::uint64_t panics() { return recovery::PanicRecorder::instance().total(); }

TEST(TaskGroup, ATaskIsTheCurrentOneWhileItRunsAlsoAfterAWait) {
  Harness h;
  std::vector<std::string> seen;
  for (const std::string name : {"a", "b"}) {
    h.spawn(name, [&h, &seen]() -> Task<void> {
      for (int i = 0; i < 3; ++i) {
        seen.push_back(base::current_task()->name);
        auto sleep = h.pause(1s);
        co_await std::move(sleep);
      }
    });
  }
  h.world.run();
  EXPECT_EQ(base::current_task(), nullptr);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), "a"), 3);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), "b"), 3);
}

TEST(TaskGroup, ATaskHasParentKindAgeAndState) {
  Harness h;
  h.spawn("parent", [&h]() -> Task<void> {
    h.spawn("child", [&h]() -> Task<void> {
      EXPECT_EQ(base::current_task()->state.load(), TaskContext::State::kRunning);
      auto sleep = h.pause(10s);
      co_await std::move(sleep);
    });
    auto sleep = h.pause(10s);
    co_await std::move(sleep);
  });
  EXPECT_EQ(h.registry.list().at(0)->state.load(), TaskContext::State::kReady);
  h.world.run_for(1s);
  const auto tasks = h.registry.list();
  ASSERT_EQ(tasks.size(), 2u);
  EXPECT_EQ(tasks[0]->parent_id, 0u);
  EXPECT_EQ(tasks[1]->parent_id, tasks[0]->id);
  EXPECT_EQ(tasks[1]->name, "child");
  EXPECT_EQ(tasks[1]->state.load(), TaskContext::State::kWaiting);
  EXPECT_EQ(h.now() - tasks[1]->created, 1s);
  EXPECT_EQ(h.registry.count(base::Handler::kEvent), 2u);
  EXPECT_EQ(h.registry.count(base::Handler::kHttp), 0u);
}

TEST(TaskGroup, ATaskKnowsTheLineThatStartedIt) {
  Harness h;
  const auto line = std::source_location::current().line() + 1;
  (void)h.group.spawn("here", base::Handler::kTimer, []() -> Task<void> { co_return; });
  const auto task = h.registry.list().at(0);
  EXPECT_EQ(task->created_by.line(), line);
  EXPECT_TRUE(std::string(task->created_by.file_name()).ends_with("task_group_test.cc"));
}

TEST(TaskGroup, AThrowIsAPanicOfItsKindAndEndsThatTaskAlone) {
  Harness h;
  const auto before = panics();
  bool other = false;
  h.spawn("throws", [&h]() -> Task<void> {
    auto sleep = h.pause(1s);
    co_await std::move(sleep);
    throw 42;
  });
  h.spawn("throws at once", []() -> Task<void> { throw std::runtime_error("made badly"); });
  h.spawn("other", [&h, &other]() -> Task<void> {
    auto sleep = h.pause(2s);
    co_await std::move(sleep);
    other = true;
  });
  h.world.run();
  EXPECT_TRUE(other);
  EXPECT_EQ(panics(), before + 2);
  EXPECT_EQ(recovery::PanicRecorder::instance().last().front().task_name, "throws");
  faults::record({.row = 45,
                  .outcome = "reported as a panic of its task; the others go on",
                  .evidence = "podkeeper_panics_total; panic_recovered",
                  .recovery = {}});
}

TEST(TaskGroup, RefusesATaskAboveTheLimitAndAcceptsAgainBelow) {
  Harness h(1, 2);
  const auto sleeper = [&h]() -> Task<void> {
    auto sleep = h.pause(1s);
    co_await std::move(sleep);
  };
  h.spawn("1", sleeper);
  h.spawn("2", sleeper);
  const auto third = h.group.spawn("3", base::Handler::kHttp, sleeper);
  EXPECT_EQ(third.error().code, base::ErrorCode::kTooManyRequests);
  EXPECT_EQ(third.error().message,
            "start task \"3\": 2 tasks run, which is the limit; try again later");
  h.world.run();
  EXPECT_EQ(h.registry.count(), 0u);
  EXPECT_TRUE(h.group.spawn("4", base::Handler::kHttp, sleeper).has_value());
}

TEST(TaskGroup, StopEndsEveryWaitUnderEverySeedAndIsNoPanic) {
  const auto before = panics();
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Harness h(seed);
    int unwound = 0;
    for (int i = 0; i < 10; ++i) {
      h.spawn("sleeper", [&h, &unwound]() -> Task<void> {
        const std::shared_ptr<void> last(nullptr, [&unwound](void*) { ++unwound; });
        for (;;) {  // short sleeps and yields, so that the stop meets every state
          auto sleep = h.pause(base::Duration(h.world.random().below(3)));
          co_await std::move(sleep);
        }
      });
    }
    h.world.run_for(5ns);
    h.group.stop();
    auto body = [&h]() -> Task<void> {
      auto joining = h.group.join();
      co_await std::move(joining);
    };
    h.world.run_task(body);
    EXPECT_EQ(unwound, 10);
  }
  EXPECT_EQ(panics(), before);
}

TEST(TaskGroup, ATaskThatHasNotBegunWhenItIsStoppedNeverBegins) {
  Harness h;
  bool began = false;
  auto kept = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = kept;
  h.spawn("late", [&began, kept = std::move(kept)]() -> Task<void> {
    began = true;
    co_return;
  });
  h.group.stop();
  h.world.run();
  EXPECT_TRUE(watch.expired());
  EXPECT_FALSE(began);
  EXPECT_EQ(h.group.size(), 0u);
  EXPECT_EQ(
      h.group.spawn("later", base::Handler::kHttp, []() -> Task<void> { co_return; }).error().code,
      base::ErrorCode::kCancelled);
}

TEST(TaskGroup, WhatATaskKeepsLivesUntilItsEndAndIsGoneWhenJoinReturns) {
  Harness h;
  auto kept = std::make_shared<std::string>("kept");
  const std::weak_ptr<std::string> watch = kept;
  h.spawn("keeper", [&h, kept = std::move(kept)]() -> Task<void> {
    auto sleep = h.pause(1s);
    co_await std::move(sleep);
    EXPECT_EQ(*kept, "kept");
  });
  auto body = [&]() -> Task<void> {
    EXPECT_FALSE(watch.expired());
    auto joining = h.group.join();
    co_await std::move(joining);
    EXPECT_TRUE(watch.expired());
  };
  h.world.run_task(body);
}

TEST(TaskGroup, AStopOfTheJoiningTaskStopsTheChildrenAndWaitsForThem) {
  Harness h;
  std::vector<std::string> order;
  h.spawn("parent", [&]() -> Task<void> {
    TaskGroup inner(h.world, h.registry, "inner");
    const std::shared_ptr<void> end(nullptr, [&](void*) { order.emplace_back("parent"); });
    auto child = [&]() -> Task<void> {
      const std::shared_ptr<void> last(nullptr, [&](void*) { order.emplace_back("child"); });
      auto sleep = h.world.clock().sleep_until(kNever);
      co_await std::move(sleep);
    };
    EXPECT_TRUE(inner.spawn("child", base::Handler::kEvent, child).has_value());
    auto joining = inner.join();
    co_await std::move(joining);
    ADD_FAILURE() << "join returned although the parent was stopped";
  });
  h.world.run_for(1s);
  h.group.stop();
  h.world.run_for(1s);
  EXPECT_EQ(order, (std::vector<std::string>{"child", "parent"}));
}

TEST(TaskGroupDeathTest, AGroupThatEndsBeforeItsTasksIsABug) {
  const auto forget = [] {
    SimulatedWorld world(1);
    TaskRegistry registry(world.clock());
    TaskGroup group(world, registry, "forgotten");
    (void)group.spawn("left", base::Handler::kEvent, []() -> Task<void> { co_return; });
  };
  EXPECT_DEATH(forget(), "task group \"forgotten\" ends while 1 of its tasks run: join");
}

template <class World>
void dispatch_stays_inline(World& world) {
  TaskRegistry registry(world.clock());
  TaskGroup group(world, registry, "test");
  bool was_inline = false;
  auto child = [&]() -> Task<void> {
    const base::Executor executor = co_await asio::this_coro::executor;
    bool ran = false;
    asio::dispatch(executor, [&ran] {
      EXPECT_NE(base::current_task(), nullptr);
      ran = true;
    });
    was_inline = ran;
  };
  auto body = [&]() -> Task<void> {
    EXPECT_TRUE(group.spawn("child", base::Handler::kEvent, child).has_value());
    auto joining = group.join();
    co_await std::move(joining);
  };
  world.run_task(body);
  EXPECT_TRUE(was_inline);
}

TEST(TaskGroup, DispatchInsideTheSameExecutorStaysInlineInBothWorlds) {
  RealWorld real;
  dispatch_stays_inline(real);
  SimulatedWorld simulated(1);
  dispatch_stays_inline(simulated);
}

TEST(TaskGroup, SpawnsAndStopsFromSeveralThreads) {
  for (int round = 0; round < 20; ++round) {
    RealWorld world;
    TaskRegistry registry(world.clock());
    TaskGroup group(world, registry, "test");
    std::atomic<int> ended{0};
    std::atomic<int> started{0};
    const auto leaf = [&]() -> Task<void> {
      const std::shared_ptr<void> last(nullptr, [&](void*) { ++ended; });
      for (;;) {
        auto sleep = world.clock().sleep_for(10us);
        co_await std::move(sleep);
      }
    };
    const auto spawner = [&]() -> Task<void> {
      for (int i = 0; i < 20; ++i) {
        if (group.spawn("leaf", base::Handler::kEvent, leaf)) ++started;
        auto sleep = world.clock().sleep_for(10us);
        co_await std::move(sleep);
      }
    };
    auto body = [&]() -> Task<void> {
      for (int i = 0; i < 4; ++i) (void)group.spawn("spawner", base::Handler::kEvent, spawner);
      auto sleep = world.clock().sleep_for(1ms);
      co_await std::move(sleep);
      group.stop();
      auto joining = group.join();
      co_await std::move(joining);
    };
    world.run_task(body, 3);
    EXPECT_LE(ended.load(), started.load());
    EXPECT_EQ(registry.count(), 0u);
  }
}

}  // namespace
}  // namespace podkeeper::runtime
