#include "pkg/runtime/simulated_world.h"

#include "pkg/base/panic.h"
#include "pkg/base/world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/runtime/teardown.h"

#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/runtime/streams.h"

namespace podkeeper::runtime {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using base::Task;

constexpr base::MonotonicTime kNever = base::MonotonicTime::max();

TEST(SimulatedWorld, MovesTimeOnlyWhenNothingIsReady) {
  SimulatedWorld world(1);
  const auto start = world.clock().now();
  base::Duration slept{};
  auto body = [&]() -> Task<void> {
    auto sleep = world.clock().sleep_for(10h);
    co_await std::move(sleep);
    slept = world.clock().now() - start;
  };
  world.run_task(body);
  EXPECT_EQ(slept, 10h);
  EXPECT_EQ(world.clock().wall_now().time_since_epoch() % 24h, 10h);
}

TEST(SimulatedWorld, KeepsTheOrderOfOneExecutorAndShufflesAmongSeveral) {
  bool shuffled = false;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SimulatedWorld world(seed);
    const auto a = world.make_executor();
    const auto b = world.make_executor();
    std::string order;
    for (const char c : {'1', '2', '3'}) {
      asio::post(a, [&order, c] { order += c; });
      asio::post(b, [&order, c] { order += static_cast<char>(c - '1' + 'x'); });
    }
    world.run();
    std::string first;
    std::string second;
    for (const char c : order) (c < 'a' ? first : second) += c;
    EXPECT_EQ(first, "123");
    EXPECT_EQ(second, "xyz");
    shuffled = shuffled || order != "1x2y3z";
  }
  EXPECT_TRUE(shuffled);
}

TEST(SimulatedWorld, RunsTimersOfOneMomentAfterTimeMovedAndNotBefore) {
  SimulatedWorld world(1);
  int fired = 0;
  const auto executor = world.make_executor();
  const auto now = world.clock().now();
  world.clock().call_at(now + 2s, executor, [&] { ++fired; });
  const auto id = world.clock().call_at(now + 1s, executor, [&] { fired += 100; });
  EXPECT_TRUE(world.clock().cancel(id));
  EXPECT_FALSE(world.clock().cancel(id));
  world.run_for(1999ms);
  EXPECT_EQ(fired, 0);
  world.run_for(1ms);
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(world.clock().now(), now + 2s);
}

TEST(SimulatedWorld, RunUntilSaysWhetherItHappenedInTime) {
  SimulatedWorld world(1);
  bool done = false;
  world.clock().call_at(world.clock().now() + 5s, world.make_executor(), [&] { done = true; });
  EXPECT_FALSE(world.run_until([&] { return done; }, 4s));
  EXPECT_TRUE(world.run_until([&] { return done; }, 4s));
}

TEST(SimulatedWorld, RunTaskTellsOfATaskThatWaitsForNothing) {
  SimulatedWorld world(1);
  auto body = [&]() -> Task<void> {
    auto sleep = world.clock().sleep_until(kNever);
    co_await std::move(sleep);
  };
  EXPECT_THROW(world.run_task(body), base::Panic);
}

TEST(SimulatedWorld, RunTaskThrowsWhatTheTaskThrows) {
  SimulatedWorld world(1);
  auto body = [&]() -> Task<void> {
    auto sleep = world.clock().sleep_for(1s);
    co_await std::move(sleep);
    throw std::runtime_error("no");
  };
  EXPECT_THROW(world.run_task(body), std::runtime_error);
}

/// Clients and servers that exchange some bytes, with cuts; gives what shows whether two runs went
/// the same way.
std::pair<std::uint64_t, std::uint64_t> busy_run(std::uint64_t seed) {
  SimulatedWorld world(seed);
  TaskRegistry registry(world.clock());
  TaskGroup group(world, registry, "busy");
  auto listener = std::move(world.network().listen({"", 80}).value());
  auto serve = [&]() -> Task<void> {
    for (int i = 0; i < 10; ++i) {
      auto accepting = listener->accept(world.make_executor());
      auto accepted = co_await std::move(accepting);
      auto reading = read_all(**accepted);
      (void)co_await std::move(reading);
    }
  };
  EXPECT_TRUE(group.spawn("serve", base::Handler::kHttp, serve).has_value());
  for (int i = 0; i < 10; ++i) {
    auto client = [&world]() -> Task<void> {
      auto connecting = world.network().connect({"", 80}, kNever);
      auto stream = co_await std::move(connecting);
      auto writing = write_all(**stream, pattern(world.random().below(20'000)));
      (void)co_await std::move(writing);
    };
    EXPECT_TRUE(group.spawn("client", base::Handler::kEvent, client).has_value());
  }
  world.run_for(1ms);
  world.cut_connections_mid_stream();
  world.run();
  EXPECT_EQ(group.size(), 0u);
  return {world.trace_hash(), world.steps()};
}

TEST(SimulatedWorld, ReplaysTheSameRunForTheSameSeedAndAnotherForAnother) {
  EXPECT_EQ(busy_run(1), busy_run(1));
  EXPECT_EQ(busy_run(2), busy_run(2));
  EXPECT_NE(busy_run(1).first, busy_run(2).first);
}

TEST(SimulatedWorld, EndsCleanlyWithTasksWaitingForEverything) {
  auto world = std::make_unique<SimulatedWorld>(8);
  TaskRegistry registry(world->clock());
  auto group = std::make_unique<TaskGroup>(*world, registry, "pending");
  auto& w = *world;
  auto sleeper = [&w]() -> Task<void> {
    const std::string kept(1000, 'x');
    auto sleep = w.clock().sleep_until(kNever);
    co_await std::move(sleep);
  };
  auto acceptor = [&w]() -> Task<void> {
    auto listener = std::move(w.network().listen({"", 80}).value());
    auto streams = std::make_shared<std::vector<std::unique_ptr<base::Stream>>>();
    for (;;) {
      auto accepting = listener->accept(w.make_executor());
      auto accepted = co_await std::move(accepting);
      streams->push_back(std::move(accepted.value()));
    }
  };
  auto parent = [&w, &registry, sleeper]() -> Task<void> {
    TaskGroup inner(w, registry, "inner");
    EXPECT_TRUE(inner.spawn("inner sleeper", base::Handler::kTimer, sleeper).has_value());
    auto joining = inner.join();
    co_await std::move(joining);
  };
  auto reader = [&w]() -> Task<void> {
    auto connecting = w.network().connect({"", 80}, kNever);
    auto stream = co_await std::move(connecting);
    auto reading = read_all(**stream);
    (void)co_await std::move(reading);
  };
  EXPECT_TRUE(group->spawn("sleeper", base::Handler::kTimer, sleeper).has_value());
  EXPECT_TRUE(group->spawn("acceptor", base::Handler::kHttp, acceptor).has_value());
  EXPECT_TRUE(group->spawn("parent", base::Handler::kHttp, parent).has_value());
  world->run_for(1s);
  EXPECT_TRUE(group->spawn("reader", base::Handler::kEvent, reader).has_value());
  world->run_for(1s);
  EXPECT_TRUE(group->spawn("not even started", base::Handler::kEvent, sleeper).has_value());
  EXPECT_EQ(group->size(), 5u);
  world.reset();  // the address sanitizer sees what is freed twice or never
  const Teardown teardown;
  group.reset();
}

}  // namespace
}  // namespace podkeeper::runtime
