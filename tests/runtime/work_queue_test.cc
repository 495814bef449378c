#include "pkg/runtime/work_queue.h"

#include "pkg/runtime/real_world.h"
#include "pkg/telemetry/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/runtime/harness.h"

namespace podkeeper::runtime {
namespace {

using namespace std::chrono_literals;
using base::Task;
using Queue = WorkQueue<std::string>;

/// What get() gives now; empty when it would wait, or at the end.
std::optional<std::string> next(Harness& h, Queue& queue) {
  std::optional<std::string> key;
  TaskGroup group(h.world, h.registry, "get");
  auto worker = [&]() -> Task<void> {
    auto getting = queue.get();
    key = co_await std::move(getting);
  };
  EXPECT_TRUE(group.spawn("get", base::Handler::kReconcile, worker).has_value());
  h.world.run_for(0ns);
  group.stop();
  h.world.run_for(0ns);
  return key;
}

TEST(WorkQueue, GivesKeysInOrderAndEachOnce) {
  Harness h;
  Queue queue(h.world);
  for (const char* key : {"a", "b", "a", "c", "b"}) EXPECT_TRUE(queue.add(key));
  EXPECT_EQ(queue.length(), 3u);
  EXPECT_EQ(next(h, queue), "a");
  EXPECT_EQ(next(h, queue), "b");
  EXPECT_EQ(next(h, queue), "c");
  EXPECT_EQ(next(h, queue), std::nullopt);
}

TEST(WorkQueue, HoldsAKeyBackWhileTheSameKeyIsInFlight) {
  Harness h;
  Queue queue(h.world);
  queue.add("a");
  EXPECT_EQ(next(h, queue), "a");
  queue.add("a");
  queue.add("a");
  EXPECT_EQ(next(h, queue), std::nullopt);
  EXPECT_EQ(queue.in_work(), 1u);
  queue.done("a");
  EXPECT_EQ(next(h, queue), "a");
  queue.done("a");
  EXPECT_EQ(next(h, queue), std::nullopt);
}

TEST(WorkQueue, DelaysAKeyToTheEarliestOfItsMoments) {
  Harness h;
  Queue queue(h.world);
  queue.add_after("a", 10s);
  queue.add_after("a", 5s);
  queue.add_after("a", 20s);
  EXPECT_EQ(queue.delayed(), 1u);
  h.world.run_for(5s - 1ns);
  EXPECT_EQ(next(h, queue), std::nullopt);
  h.world.run_for(1ns);
  EXPECT_EQ(next(h, queue), "a");
  queue.done("a");
  h.world.run_for(1min);
  EXPECT_EQ(next(h, queue), std::nullopt);
}

TEST(WorkQueue, BacksOffByKeyFromFiveMillisecondsToAThousandSeconds) {
  Harness h;
  Queue queue(h.world);
  base::Duration expected = 5ms;
  for (int i = 0; i < 25; ++i) {
    queue.add_rate_limited("a");
    h.world.run_for(expected - 1ns);
    EXPECT_EQ(queue.length(), 0u);
    h.world.run_for(1ns);
    EXPECT_EQ(next(h, queue), "a");
    queue.done("a");
    expected = std::min<base::Duration>(expected * 2, 1000s);
  }
  EXPECT_EQ(queue.failures("a"), 25u);
  EXPECT_EQ(queue.failures("b"), 0u);
  queue.forget("a");
  queue.add_rate_limited("a");
  h.world.run_for(5ms);
  EXPECT_EQ(queue.length(), 1u);
}

TEST(WorkQueue, RefusesAKeyAboveTheLimitAndSaysSoOnce) {
  Harness h;
  Queue queue(h.world, {.keys_max = 2});
  EXPECT_TRUE(queue.add("a"));
  EXPECT_TRUE(queue.add_after("b", 1s));
  EXPECT_FALSE(queue.add("c"));
  EXPECT_FALSE(queue.add_after("c", 1s));
  EXPECT_TRUE(queue.add("a")) << "a key that waits already costs nothing";
  EXPECT_TRUE(queue.take_overflowed());
  EXPECT_FALSE(queue.take_overflowed());
  EXPECT_EQ(next(h, queue), "a");
  EXPECT_TRUE(queue.add("c"));
}

TEST(WorkQueue, AfterShutDownGivesWhatWaitsAndThenTheEnd) {
  Harness h;
  Queue queue(h.world);
  queue.add("a");
  EXPECT_EQ(next(h, queue), "a");
  queue.add("a");
  queue.add("b");
  queue.add_after("c", 1s);
  queue.shut_down();
  EXPECT_FALSE(queue.add("d"));
  EXPECT_EQ(queue.delayed(), 0u);
  EXPECT_EQ(next(h, queue), "b");
  queue.done("a");
  EXPECT_EQ(next(h, queue), "a");
  bool ended = false;
  h.spawn("end", [&]() -> Task<void> {
    auto getting = queue.get();
    const auto key = co_await std::move(getting);
    ended = !key.has_value();
  });
  h.world.run();
  EXPECT_TRUE(ended);
}

TEST(WorkQueue, ShutDownEndsEveryWaitingWorker) {
  Harness h;
  Queue queue(h.world);
  int ended = 0;
  for (int i = 0; i < 5; ++i) {
    h.spawn("worker", [&]() -> Task<void> {
      auto getting = queue.get();
      if (!co_await std::move(getting)) ++ended;
    });
  }
  h.world.run();
  queue.shut_down();
  h.world.run();
  EXPECT_EQ(ended, 5);
}

TEST(WorkQueue, AStoppedWorkerLosesNoKeyUnderAnySeed) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Harness h(seed);
    Queue queue(h.world);
    std::vector<std::string> worked;
    const auto worker = [&]() -> Task<void> {
      for (;;) {
        auto getting = queue.get();
        const auto key = co_await std::move(getting);
        worked.push_back(key.value());
        queue.done(*key);
      }
    };
    TaskGroup doomed(h.world, h.registry, "doomed");
    EXPECT_TRUE(doomed.spawn("doomed", base::Handler::kReconcile, worker).has_value());
    h.world.run();
    h.spawn("survivor", worker);
    h.world.run();
    queue.add("a");  // wakes the doomed one, which the stop may reach first
    doomed.stop();
    h.world.run();
    EXPECT_EQ(worked, std::vector<std::string>{"a"}) << "seed " << seed;
  }
}

TEST(WorkQueue, TellsItsMetrics) {
  Harness h;
  telemetry::Metrics metrics;
  Queue queue(h.world, {.name = "pods", .metrics = &metrics});
  queue.add("a");
  queue.add("b");
  h.world.run_for(2s);
  EXPECT_EQ(next(h, queue), "a");
  h.world.run_for(3s);
  using testing::HasSubstr;
  std::string text = metrics.render();
  EXPECT_THAT(text, HasSubstr("workqueue_depth{name=\"pods\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("workqueue_adds_total{name=\"pods\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("workqueue_queue_duration_seconds_sum{name=\"pods\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("workqueue_unfinished_work_seconds{name=\"pods\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("workqueue_longest_running_processor_seconds{name=\"pods\"} 3\n"));
  queue.add_rate_limited("a");
  queue.done("a");
  text = metrics.render();
  EXPECT_THAT(text, HasSubstr("workqueue_work_duration_seconds_sum{name=\"pods\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("workqueue_retries_total{name=\"pods\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("workqueue_unfinished_work_seconds{name=\"pods\"} 0\n"));
}

TEST(WorkQueue, SeveralWorkersAndProducersOnThreadsNeverShareAKey) {
  RealWorld world;
  TaskRegistry registry(world.clock());
  TaskGroup group(world, registry, "test");
  WorkQueue<int> queue(world);
  constexpr int kKeys = 16;
  std::array<std::atomic<int>, kKeys> in_work{};
  std::array<std::uint64_t, kKeys> plain{};  // the thread sanitizer watches it
  std::array<std::atomic<std::uint64_t>, kKeys> wanted{};
  std::array<std::atomic<std::uint64_t>, kKeys> seen{};
  const auto worker = [&]() -> Task<void> {
    for (;;) {
      auto getting = queue.get();
      const auto key = co_await std::move(getting);
      if (!key) co_return;
      const auto k = static_cast<std::size_t>(*key);
      EXPECT_EQ(in_work[k].fetch_add(1), 0);
      ++plain[k];
      seen[k] = wanted[k].load();
      --in_work[k];
      queue.done(*key);
    }
  };
  auto body = [&]() -> Task<void> {
    for (int i = 0; i < 4; ++i) (void)group.spawn("worker", base::Handler::kReconcile, worker);
    {
      std::vector<std::jthread> producers;
      for (int p = 0; p < 2; ++p) {
        producers.emplace_back([&] {
          for (int i = 0; i < 20'000; ++i) {
            ++wanted[static_cast<std::size_t>(i % kKeys)];
            queue.add(i % kKeys);
          }
        });
      }
    }
    queue.shut_down();
    auto joining = group.join();
    co_await std::move(joining);
  };
  world.run_task(body, 3);
  for (std::size_t k = 0; k < kKeys; ++k) EXPECT_EQ(seen[k].load(), wanted[k].load());
}

}  // namespace
}  // namespace podkeeper::runtime
