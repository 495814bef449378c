#include "pkg/runtime/simulated_network.h"

#include "pkg/base/world.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"

#include <boost/asio/buffer.hpp>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "tests/runtime/streams.h"

namespace podkeeper::runtime {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using base::Task;

constexpr base::MonotonicTime kNever = base::MonotonicTime::max();

TEST(SimulatedNetwork, DeliversEveryByteInOrderUnderEverySeed) {
  const std::string sent = pattern(100'000);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SimulatedWorld world(seed);
    TaskRegistry registry(world.clock());
    TaskGroup group(world, registry, "test");
    Pair pair(world);
    Read got;
    auto body = [&]() -> Task<void> {
      auto opening = pair.open();
      co_await std::move(opening);
      auto writer = [&]() -> Task<void> {
        auto writing = write_all(*pair.client, sent);
        EXPECT_TRUE((co_await std::move(writing)).has_value());
        pair.client->shutdown_write();
      };
      EXPECT_TRUE(group.spawn("writer", base::Handler::kEvent, writer).has_value());
      auto reading = read_all(*pair.server);
      got = co_await std::move(reading);
      auto joining = group.join();
      co_await std::move(joining);
    };
    world.run_task(body);
    EXPECT_EQ(got.failure, base::ErrorCode::kNotFound);
    EXPECT_EQ(got.text, sent);
  }
}

TEST(SimulatedNetwork, ReadsAreAsSeldomShortAsAskedFor) {
  SimulatedWorld world(7, {.read_bytes_max = 100, .short_read_in = 1'000'000});
  Pair pair(world);
  world.run_task([&]() -> Task<void> {
    auto opening = pair.open();
    co_await std::move(opening);
    auto writing = write_all(*pair.client, pattern(250));
    EXPECT_TRUE((co_await std::move(writing)).has_value());
    auto arriving = world.clock().sleep_for(10ms);
    co_await std::move(arriving);
    std::string into(250, '\0');
    for (const std::size_t whole : {100U, 100U, 50U}) {
      auto reading = pair.server->read_some(asio::buffer(into));
      const auto read = co_await std::move(reading);
      EXPECT_EQ(read.value_or(0), whole);
    }
  });
}

TEST(SimulatedNetwork, RefusesWhereNobodyListensAndNamesAPortThatIsTaken) {
  SimulatedWorld world(1);
  auto body = [&]() -> Task<void> {
    auto connecting = world.network().connect({"server", 81}, kNever);
    const auto refused = co_await std::move(connecting);
    EXPECT_EQ(refused.error().code, base::ErrorCode::kUnavailable);
    EXPECT_EQ(refused.error().message, "connect to server:81: connection refused");
    const auto first = world.network().listen({"127.0.0.1", 80});
    const auto second = world.network().listen({"127.0.0.1", 80});
    EXPECT_EQ(second.error().message,
              "listen on 127.0.0.1:80: address already in use; stop the other process or choose "
              "another port");
    const auto third = world.network().listen({"127.0.0.1", 0});
    EXPECT_NE(third.value()->address().port, 0);
  };
  world.run_task(body);
}

TEST(SimulatedNetwork, AFreedPortCanBeBoundAgain) {
  SimulatedWorld world(1);
  {
    const auto first = world.network().listen({"", 80});
  }
  EXPECT_TRUE(world.network().listen({"", 80}).has_value());
}

TEST(SimulatedNetwork, AWriterWaitsForAPeerThatDoesNotRead) {
  SimulatedWorld world(3);
  Pair pair(world);
  auto body = [&]() -> Task<void> {
    auto opening = pair.open();
    co_await std::move(opening);
    pair.client->set_deadline(world.clock().now() + 10s);
    auto fits = write_all(*pair.client, pattern(256 * 1024));
    EXPECT_TRUE((co_await std::move(fits)).has_value());
    auto more = write_all(*pair.client, "x");
    const auto result = co_await std::move(more);
    EXPECT_EQ(result.error().code, base::ErrorCode::kTimeout);
  };
  world.run_task(body);
}

TEST(SimulatedNetwork, ADeadlineIsAbsoluteAndALaterOneEndsIt) {
  SimulatedWorld world(4);
  Pair pair(world);
  auto body = [&]() -> Task<void> {
    auto opening = pair.open();
    co_await std::move(opening);
    const auto start = world.clock().now();
    pair.server->set_deadline(start + 3s);
    std::array<char, 10> buffer{};
    for (int second = 0; second < 2; ++second) {  // a peer that drips does not move it
      auto writing = write_all(*pair.client, "x");
      (void)co_await std::move(writing);
      auto sleep = world.clock().sleep_for(1s);
      co_await std::move(sleep);
      auto reading = pair.server->read_some(asio::buffer(buffer));
      EXPECT_EQ((co_await std::move(reading)).value(), 1u);
    }
    auto late = pair.server->read_some(asio::buffer(buffer));
    EXPECT_EQ((co_await std::move(late)).error().code, base::ErrorCode::kTimeout);
    EXPECT_EQ(world.clock().now(), start + 3s);
    auto still = pair.server->read_some(asio::buffer(buffer));
    EXPECT_EQ((co_await std::move(still)).error().code, base::ErrorCode::kTimeout);
    pair.server->set_deadline(kNever);
    auto writing = write_all(*pair.client, "y");
    (void)co_await std::move(writing);
    auto after = pair.server->read_some(asio::buffer(buffer));
    EXPECT_EQ((co_await std::move(after)).value(), 1u);
  };
  world.run_task(body);
}

TEST(SimulatedNetwork, AnEarlierDeadlineEndsAReadUnderWay) {
  SimulatedWorld world(4);
  TaskRegistry registry(world.clock());
  TaskGroup group(world, registry, "test");
  Pair pair(world);
  auto body = [&]() -> Task<void> {
    auto opening = pair.open();
    co_await std::move(opening);
    auto hurry = [&]() -> Task<void> {
      auto sleep = world.clock().sleep_for(1s);
      co_await std::move(sleep);
      pair.server->set_deadline(world.clock().now() + 1s);
    };
    EXPECT_TRUE(group.spawn("hurry", base::Handler::kTimer, hurry).has_value());
    const auto start = world.clock().now();
    auto reading = read_all(*pair.server);
    EXPECT_EQ((co_await std::move(reading)).failure, base::ErrorCode::kTimeout);
    EXPECT_EQ(world.clock().now(), start + 2s);
    auto joining = group.join();
    co_await std::move(joining);
  };
  world.run_task(body);
}

TEST(SimulatedNetwork, ACutIsAResetAtBothEnds) {
  SimulatedWorld world(5);
  Pair pair(world);
  auto body = [&]() -> Task<void> {
    auto opening = pair.open();
    co_await std::move(opening);
    auto writing = write_all(*pair.client, pattern(1000));
    (void)co_await std::move(writing);
    world.cut_connections();
    for (auto* stream : {pair.client.get(), pair.server.get()}) {
      auto reading = read_all(*stream);
      const auto got = co_await std::move(reading);
      EXPECT_EQ(got.failure, base::ErrorCode::kUnavailable);
      EXPECT_EQ(got.text, "");
      auto again = write_all(*stream, "x");
      EXPECT_EQ((co_await std::move(again)).error().code, base::ErrorCode::kUnavailable);
    }
  };
  world.run_task(body);
}

TEST(SimulatedNetwork, ACutInMidStreamLosesTheRestAndNothingBefore) {
  const std::string sent = pattern(100'000);
  std::size_t different = 0;
  std::size_t last = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SimulatedWorld world(seed);
    Pair pair(world);
    Read got;
    auto body = [&]() -> Task<void> {
      auto opening = pair.open();
      co_await std::move(opening);
      world.cut_connections_mid_stream();
      auto writing = write_all(*pair.client, sent);
      EXPECT_EQ((co_await std::move(writing)).error().code, base::ErrorCode::kUnavailable);
      auto reading = read_all(*pair.server);
      got = co_await std::move(reading);
    };
    world.run_task(body);
    EXPECT_EQ(got.failure, base::ErrorCode::kUnavailable) << "seed " << seed;
    EXPECT_EQ(got.text, sent.substr(0, got.text.size()));
    EXPECT_LE(got.text.size(), 16'384u);
    if (got.text.size() != last) ++different;
    last = got.text.size();
  }
  EXPECT_GT(different, 10u);
}

TEST(SimulatedNetwork, ClosingWithBytesUnreadIsAResetForThePeer) {
  SimulatedWorld world(6);
  Pair pair(world);
  auto body = [&]() -> Task<void> {
    auto opening = pair.open();
    co_await std::move(opening);
    auto unread = write_all(*pair.client, "request");
    (void)co_await std::move(unread);
    pair.server.reset();
    auto reading = read_all(*pair.client);
    EXPECT_EQ((co_await std::move(reading)).failure, base::ErrorCode::kUnavailable);
  };
  world.run_task(body);
}

TEST(SimulatedNetwork, ClosingAListenerEndsAWaitingAccept) {
  SimulatedWorld world(7);
  auto body = [&]() -> Task<void> {
    auto listener = std::move(world.network().listen({"", 80}).value());
    world.clock().call_at(world.clock().now() + 1s, world.make_executor(),
                          [&] { listener->close(); });
    auto accepting = listener->accept(world.make_executor());
    EXPECT_EQ((co_await std::move(accepting)).error().code, base::ErrorCode::kUnavailable);
  };
  world.run_task(body);
}

}  // namespace
}  // namespace podkeeper::runtime
