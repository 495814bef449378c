#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/faults/record.h"
#include "tests/http/harness.h"

namespace podkeeper::http {
namespace {

using namespace std::chrono_literals;

const std::string kHello = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string kSlow = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";

/// Two requests at a time are slow; everything else is quick.
Router slow_router(House*& where) {
  Router router = test_router();
  router.exact("/slow", [&where](Request) -> base::Task<Response> {
    co_await where->world.clock().sleep_for(10s);
    co_return Response::text(200, "slow");
  });
  return router;
}

struct SlowHouse {
  explicit SlowHouse(ServerLimits limits, std::size_t tasks_max = 1000)
      : house(slow_router(where), limits, 1, tasks_max) {
    where = &house;
  }
  House* where = nullptr;
  House house;

  /// Opens connections that each say `text`, and keeps them.
  base::Task<void> open(int count, std::string text) {
    for (int i = 0; i < count; ++i) {
      auto stream = co_await house.dial();
      co_await House::say(*stream, text);
      kept.push_back(std::move(stream));
      co_await house.world.clock().sleep_for(10ms);
    }
  }
  std::vector<std::unique_ptr<base::Stream>> kept;
};

TEST(Caps, RequestsBeyondTheLimitAreTold429AndMayComeAgain) {
  ServerLimits limits;
  limits.requests_inflight_max = 2;
  SlowHouse h(limits);
  h.house.world.run_task([&]() -> base::Task<void> {
    co_await h.open(2, kSlow);
    const auto talk = co_await h.house.ask(kHello);
    EXPECT_EQ(talk.statuses(), std::vector{429});
    EXPECT_NE(talk.bytes.find("\r\nRetry-After: 1\r\n"), std::string::npos);
    EXPECT_EQ(talk.body(), "Too many requests, please try again later.\n");
    EXPECT_FALSE(talk.closed);
    co_await h.house.world.clock().sleep_for(20s);
    const auto again = co_await h.house.ask(kHello);
    EXPECT_EQ(again.statuses(), std::vector{200});
  });
  EXPECT_TRUE(h.house.metric("podkeeper_http_rejected_total{reason=\"inflight\"} 1"));
}

TEST(Caps, IdleConnectionsGiveWayToNewcomers) {
  ServerLimits limits;
  limits.connections_max = 3;
  SlowHouse h(limits);
  h.house.world.run_task([&]() -> base::Task<void> {
    co_await h.open(3, kHello);
    const auto talk = co_await h.house.ask(kHello);
    EXPECT_EQ(talk.statuses(), std::vector{200});
    const auto oldest = co_await h.house.hear(*h.kept[0], 1s);
    EXPECT_TRUE(oldest.closed) << "the longest idle";
    const auto newest = co_await h.house.hear(*h.kept[2], 1s);
    EXPECT_FALSE(newest.closed);
  });
  faults::record({.row = 56,
                  .outcome = "those who idle longest give way; health has a listener of its own",
                  .evidence = "podkeeper_http_connections"});
}

TEST(Caps, ConnectionsBeyondTheLimitAreTold503WhenNoneIdles) {
  ServerLimits limits;
  limits.connections_max = 3;
  SlowHouse h(limits);
  h.house.world.run_task([&]() -> base::Task<void> {
    co_await h.open(3, kSlow);
    const auto talk = co_await h.house.ask(kHello);
    EXPECT_EQ(talk.statuses(), std::vector{503});
    EXPECT_NE(talk.bytes.find("\r\nRetry-After: 1\r\n"), std::string::npos);
    EXPECT_TRUE(talk.closed);
    const auto first = co_await h.house.hear(*h.kept[0], 20s);
    EXPECT_EQ(first.statuses(), std::vector{200});
  });
  EXPECT_TRUE(h.house.metric("podkeeper_http_rejected_total{reason=\"connections\"} 1"));
}

TEST(Caps, OneSourceCannotTakeEveryPlace) {
  ServerLimits limits;
  limits.connections_per_source_max = 2;
  SlowHouse h(limits);
  h.house.world.run_task([&]() -> base::Task<void> {
    co_await h.open(2, kHello);
    const auto talk = co_await h.house.ask(kHello);
    EXPECT_EQ(talk.statuses(), std::vector{503});
    h.kept.clear();
    co_await h.house.world.clock().sleep_for(1s);
    const auto again = co_await h.house.ask(kHello);
    EXPECT_EQ(again.statuses(), std::vector{200});
  });
}

TEST(Caps, WithoutATaskToBeHadAConnectionIsClosedAndTheServerLives) {
  SlowHouse h({}, 3);  // the accept loop and two connections
  h.house.world.run_task([&]() -> base::Task<void> {
    co_await h.open(2, kHello);
    const auto talk = co_await h.house.ask(kHello);
    EXPECT_TRUE(talk.closed);
    EXPECT_TRUE(talk.bytes.empty());
    h.kept.clear();
    co_await h.house.world.clock().sleep_for(1s);
    const auto again = co_await h.house.ask(kHello);
    EXPECT_EQ(again.statuses(), std::vector{200});
  });
  EXPECT_TRUE(h.house.metric("podkeeper_http_rejected_total{reason=\"tasks\"} 1"));
}

TEST(Caps, APlaceIsGivenBackHoweverAConnectionEnds) {
  House house;
  house.world.run_task([&]() -> base::Task<void> {
    for (int i = 0; i < 200; ++i) {
      auto stream = co_await house.dial();
      co_await House::say(*stream, kHello.substr(0, static_cast<std::size_t>(i) % kHello.size()));
    }
    co_await house.world.clock().sleep_for(1s);
  });
  EXPECT_EQ(house.server->connections(), 0U);
  EXPECT_EQ(house.registry.count(), 1U) << "the accept loop alone";
  EXPECT_TRUE(house.metric("podkeeper_http_connections 0"));
  faults::record({.row = 58,
                  .outcome = "every place and task is given back",
                  .evidence = "podkeeper_http_connections, process_open_fds"});
}

TEST(Caps, LargeAnswersBeyondTheLimitAreTold429UntilOthersAreTaken) {
  auto shared = std::make_shared<std::string>(1024, 'x');
  Router router = test_router();
  router.exact("/list", [shared](Request) -> base::Task<Response> {
    Response response;
    GatheredBody body{.pieces = {}, .owner = shared};
    for (int i = 0; i < 1'000; ++i) body.add(*shared);
    response.body = std::move(body);
    co_return response;
  });
  ServerLimits limits;
  limits.answer_pieces_max = 2'500;
  House house(std::move(router), limits);
  const std::string list = "GET /list HTTP/1.1\r\nHost: a\r\n\r\n";
  house.world.run_task([&]() -> base::Task<void> {
    std::vector<std::unique_ptr<base::Stream>> unread;
    for (int i = 0; i < 2; ++i) {
      unread.push_back(co_await house.dial());
      co_await House::say(*unread.back(), list);
      co_await house.world.clock().sleep_for(100ms);
    }
    const auto refused = co_await house.ask(list);
    EXPECT_EQ(refused.statuses(), std::vector{429});
    EXPECT_NE(refused.bytes.find("\r\nRetry-After: 1\r\n"), std::string::npos);
    const auto small = co_await house.ask(kHello);
    EXPECT_EQ(small.statuses(), std::vector{200});
    co_await house.world.clock().sleep_for(11s);  // who does not read is cut
    const auto again = co_await house.ask(list);
    EXPECT_EQ(again.statuses(), std::vector{200});
  });
  EXPECT_TRUE(house.metric("podkeeper_http_rejected_total{reason=\"answers\"} 1"));
  faults::record({.row = 63,
                  .outcome = "answers share the objects' bytes; 429 with Retry-After beyond two "
                             "million pieces under way",
                  .evidence = "podkeeper_http_rejected_total{reason=\"answers\"}"});
}

}  // namespace
}  // namespace podkeeper::http
