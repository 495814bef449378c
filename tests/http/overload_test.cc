#include "pkg/http/overload.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "tests/http/harness.h"

namespace podkeeper::http {
namespace {

using namespace std::chrono_literals;

const std::string kHello = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string kStream = "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::size_t kLargeBytes = 4 << 20;  ///< more than what lies between two peers

/// Says much at once, then nothing.
base::Task<Response> talkative_stream(Request) {
  Response response;
  response.body = [](BodyWriter& out) -> base::Task<void> {
    const std::string text(kLargeBytes, 'x');
    const std::array<std::string_view, 1> pieces{text};
    (void)co_await out.write(pieces);
  };
  co_return response;
}

Router talkative_router() {
  Router router = test_router();
  router.exact("/stream", talkative_stream);
  router.exact("/large", [](Request) -> base::Task<Response> {
    co_return Response::text(200, std::string(kLargeBytes, 'x'));
  });
  return router;
}

/// A server that minds memory, and clients who may be slow.
struct ScarceHouse : House {
  ScarceHouse() : House(talkative_router()) {
    server = std::make_unique<Server>(world, group, metrics, "scarce", talkative_router(),
                                      ServerLimits{}, overload);
    endpoint = server->listen({"127.0.0.1", 0}).value();
  }
  base::Task<std::unique_ptr<base::Stream>> ask_and_take_nothing(std::string request) {
    auto dialing = dial();
    auto stream = co_await std::move(dialing);
    auto saying = say(*stream, std::move(request));
    co_await std::move(saying);
    co_return stream;
  }
  base::Task<Talk> ask_on(base::Stream& stream, std::string request) {
    stream.set_deadline(base::MonotonicTime::max());
    auto saying = say(stream, std::move(request));
    co_await std::move(saying);
    co_return co_await hear(stream, 1s);
  }
  base::Task<void> wait(base::Duration time) { co_await world.clock().sleep_for(time); }

  std::shared_ptr<Overload> overload = std::make_shared<Overload>(metrics);
};

TEST(Overload, SaysWhatEachStateRefusesAndCountsIt) {
  telemetry::Metrics metrics;
  Overload overload(metrics);
  EXPECT_FALSE(overload.sheds_list() || overload.refuses());
  overload.set(OverloadState::kShedLists);
  EXPECT_TRUE(overload.sheds_list());
  EXPECT_FALSE(overload.refuses());
  overload.set(OverloadState::kRefuse);
  EXPECT_TRUE(overload.sheds_list());
  EXPECT_TRUE(overload.refuses());
  const auto text = metrics.render();
  EXPECT_NE(text.find("podkeeper_overload_state 3\n"), std::string::npos);
  EXPECT_NE(text.find("actions_total{action=\"shed_list\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find("actions_total{action=\"refuse\"} 1\n"), std::string::npos);
}

TEST(Overload, RefusesNewcomersAndThoseWhoAreConnectedUntilThereIsMemoryAgain) {
  ScarceHouse house;
  house.world.run_task([&]() -> base::Task<void> {
    auto dialing = house.dial();
    const auto connected = co_await std::move(dialing);
    const auto served = co_await house.ask_on(*connected, kHello);
    EXPECT_EQ(served.statuses(), std::vector{200});
    house.overload->set(OverloadState::kRefuse);
    const auto refused = co_await house.ask_on(*connected, kHello);
    EXPECT_EQ(refused.statuses(), std::vector{503});
    EXPECT_NE(refused.bytes.find("\r\nRetry-After: 1\r\n"), std::string::npos);
    EXPECT_NE(refused.bytes.find("\r\nConnection: close\r\n"), std::string::npos);
    EXPECT_TRUE(refused.closed);
    const auto newcomer = co_await house.ask(kHello);
    EXPECT_EQ(newcomer.statuses(), std::vector{503});
    EXPECT_TRUE(newcomer.closed);
    house.overload->set(OverloadState::kEvictSlow);
    const auto later = co_await house.ask(kHello);
    EXPECT_EQ(later.statuses(), std::vector{200});
  });
  EXPECT_TRUE(house.metric("podkeeper_http_rejected_total{reason=\"overload\"} 2"));
  EXPECT_TRUE(house.metric("podkeeper_overload_actions_total{action=\"refuse\"} 2"));
}

TEST(Overload, IsToldInTheRoutesOwnWords) {
  ScarceHouse house;
  std::string heard;
  house.world.run_task([&]() -> base::Task<void> {
    auto dialing = house.dial();
    const auto connected = co_await std::move(dialing);
    (void)co_await house.ask_on(*connected, kHello);
    house.overload->set(OverloadState::kRefuse);
    const auto refused = co_await house.ask_on(*connected, "GET /api HTTP/1.1\r\nHost: a\r\n\r\n");
    heard = refused.body();
  });
  EXPECT_EQ(heard, R"({"message":"The server is short of memory, please try again later."})");
}

TEST(Overload, EvictsThoseWhoHaveTakenNothingForASecondAndNobodyElse) {
  ScarceHouse house;
  house.world.run_task([&]() -> base::Task<void> {
    const auto stream = co_await house.ask_and_take_nothing(kStream);
    const auto answer =
        co_await house.ask_and_take_nothing("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto idle = co_await house.ask_and_take_nothing(kHello);
    co_await house.wait(500ms);
    EXPECT_EQ(house.server->evict_slow(), 0U) << "nobody is slow yet";
    co_await house.wait(1s);
    EXPECT_EQ(house.server->evict_slow(), 2U);
    co_await house.wait(100ms);
    EXPECT_EQ(house.server->connections(), 1U);
  });
  EXPECT_TRUE(house.metric("podkeeper_overload_actions_total{action=\"evict_slow\"} 2"));
  EXPECT_TRUE(house.metric("podkeeper_http_timeouts_total{phase=\"stream\"} 1"));
  EXPECT_TRUE(house.metric("podkeeper_http_timeouts_total{phase=\"write\"} 1"));
}

TEST(Overload, EvictsThoseWhoAreMostBehindFirst) {
  ScarceHouse house;
  std::vector<std::string> ends;
  house.world.run_task([&]() -> base::Task<void> {
    std::vector<std::unique_ptr<base::Stream>> streams;
    for (std::size_t i = 0; i < Server::kEvictionsMin + 2; ++i) {
      auto asking = house.ask_and_take_nothing(kStream);
      streams.push_back(co_await std::move(asking));
      co_await house.wait(10ms);
    }
    co_await house.wait(2s);
    EXPECT_EQ(house.server->evict_slow(), Server::kEvictionsMin);
    co_await house.wait(100ms);
    EXPECT_EQ(house.server->connections(), 2U);
    // The last two are still served: what they are told goes on to its end.
    for (std::size_t i = Server::kEvictionsMin; i < streams.size(); ++i) {
      const auto heard = co_await house.hear(*streams[i], 1s);
      EXPECT_GT(heard.bytes.size(), kLargeBytes);
      EXPECT_TRUE(heard.bytes.ends_with("\r\n0\r\n\r\n"));
    }
    EXPECT_EQ(house.server->evict_slow(), 0U);
  });
}

}  // namespace
}  // namespace podkeeper::http
