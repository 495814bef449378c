#include "pkg/http/chunked.h"
#include "pkg/runtime/wakeup.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/http/harness.h"

namespace podkeeper::http {
namespace {

using namespace std::chrono_literals;

const std::string kGet = "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n";

/// What a test lets its stream do, and what it saw.
struct Script {
  int writes = 3;
  bool wait_for_end = false;  ///< after the writes, wait until on_end is called
  bool panic = false;         ///< after the writes
  bool ended_called = false;
  bool returned = false;
  runtime::SimulatedWorld* world = nullptr;
};

base::Task<void> produce(Script& script, BodyWriter& writer) {
  runtime::Wakeup ended(script.world->clock());
  writer.on_end([&] {
    script.ended_called = true;
    ended.notify();
  });
  for (int i = 0; i < script.writes; ++i) {
    const std::string number = std::to_string(i);
    const std::array<std::string_view, 3> pieces{"event ", number, "\n"};
    const auto written = co_await writer.write(pieces);
    if (!written) break;
  }
  if (script.panic) throw std::runtime_error("mid-stream");
  if (script.wait_for_end) co_await ended.wait();
  script.returned = true;
}

Router stream_router(Script& script) {
  Router router = test_router();
  router.exact("/stream", [&script](Request) -> base::Task<Response> {
    Response response;
    response.body = [&script](BodyWriter& writer) { return produce(script, writer); };
    co_return response;
  });
  return router;
}

/// A house whose one stream follows a script.
struct StreamHouse {
  explicit StreamHouse(Script s, ServerLimits limits = {})
      : script(s), house(stream_router(script), limits) {
    script.world = &house.world;
  }
  Script script;
  House house;
};

TEST(Streams, SendOneChunkAWriteAndTheLastAtTheirEnd) {
  StreamHouse h({.writes = 2});
  const Talk talk = h.house.talk({kGet});
  EXPECT_NE(talk.bytes.find("Transfer-Encoding: chunked"), std::string::npos);
  EXPECT_EQ(talk.body(), "8\r\nevent 0\n\r\n8\r\nevent 1\n\r\n0\r\n\r\n");
  EXPECT_FALSE(talk.closed);
}

TEST(Streams, LeaveTheConnectionForTheNextRequest) {
  StreamHouse h({.writes = 1});
  const Talk talk = h.house.talk({kGet + kGet, kGet});
  EXPECT_EQ(talk.statuses(), (std::vector{200, 200, 200}));
  EXPECT_FALSE(talk.closed);
}

TEST(Streams, AreNotBegunForHead) {
  StreamHouse h({});
  const Talk talk = h.house.talk({"HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n"});
  EXPECT_EQ(talk.statuses(), std::vector{200});
  EXPECT_EQ(talk.body(), "");
  EXPECT_FALSE(talk.closed);
  EXPECT_FALSE(h.script.returned);
}

TEST(Streams, SendBareBytesToAnOldClient) {
  StreamHouse h({.writes = 2});
  const Talk talk = h.house.talk({"GET /stream HTTP/1.0\r\n\r\n"});
  EXPECT_EQ(talk.body(), "event 0\nevent 1\n");
  EXPECT_EQ(talk.bytes.find("chunked"), std::string::npos);
  EXPECT_TRUE(talk.closed);
}

TEST(Streams, SendTheirHeadBeforeTheFirstEvent) {
  StreamHouse h({.writes = 0, .wait_for_end = true});
  const Talk talk = h.house.talk({kGet});
  EXPECT_EQ(talk.statuses(), std::vector{200});
  EXPECT_EQ(talk.body(), "");
  EXPECT_FALSE(talk.closed);
  EXPECT_TRUE(h.house.metric("podkeeper_http_inflight_requests{kind=\"request\"} 0"));
}

TEST(Streams, ThatPanicAreCutWithoutALastChunk) {
  StreamHouse h({.writes = 2, .panic = true});
  const Talk talk = h.house.talk({kGet});
  EXPECT_EQ(talk.body(), "8\r\nevent 0\n\r\n8\r\nevent 1\n\r\n");
  EXPECT_TRUE(talk.closed);
  EXPECT_EQ(h.house.talk({"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"}).body(), "hello");
}

TEST(Streams, HearThatTheirClientIsGoneWhileTheyIdle) {
  StreamHouse h({.writes = 1, .wait_for_end = true});
  h.house.world.run_task([&]() -> base::Task<void> {
    auto stream = co_await h.house.dial();
    co_await House::say(*stream, kGet);
    co_await h.house.hear_until(*stream, "event 0");
    EXPECT_FALSE(h.script.ended_called);
    stream.reset();
    co_await h.house.world.clock().sleep_for(1s);
  });
  EXPECT_TRUE(h.script.ended_called);
  EXPECT_TRUE(h.script.returned);
  EXPECT_EQ(h.house.server->connections(), 0U);
}

TEST(Streams, FailTheirWritesToAClientThatTakesNothing) {
  StreamHouse h({.writes = 1'000'000});
  h.house.world.run_task([&]() -> base::Task<void> {
    auto stream = co_await h.house.dial();
    co_await House::say(*stream, kGet);
    co_await h.house.world.clock().sleep_for(32s);
  });
  EXPECT_TRUE(h.script.returned);
  EXPECT_TRUE(h.script.ended_called);
  EXPECT_EQ(h.house.server->connections(), 0U);
  EXPECT_TRUE(h.house.metric("podkeeper_http_timeouts_total{phase=\"stream\"} 1"));
}

TEST(Streams, EndCleanlyWhenTheServerDrains) {
  StreamHouse h({.writes = 1, .wait_for_end = true});
  h.house.world.run_task([&]() -> base::Task<void> {
    auto stream = co_await h.house.dial();
    co_await House::say(*stream, kGet);
    co_await h.house.hear_until(*stream, "event 0\n\r\n");
    auto idle = co_await h.house.dial();
    const auto start = h.house.world.clock().now();
    co_await h.house.server->drain(start + 10s);
    EXPECT_LT(h.house.world.clock().now() - start, 1s);
    const auto rest = co_await h.house.hear(*stream);
    EXPECT_EQ(rest.bytes, "0\r\n\r\n");
    EXPECT_TRUE(rest.closed);
    const auto silent = co_await h.house.hear(*idle);
    EXPECT_TRUE(silent.closed);
    const auto late = co_await h.house.world.network().connect(h.house.endpoint, start + 60s);
    EXPECT_FALSE(late.has_value());
  });
  EXPECT_TRUE(h.script.returned);
}

TEST(Streams, AreNotCalledBackOnceTheyHaveEnded) {
  House* where = nullptr;
  std::shared_ptr<runtime::Wakeup> end;
  bool returned = false;
  bool called_late = false;
  Router router;
  router.exact("/stream", [&](Request) -> base::Task<Response> {
    Response response;
    response.body = [&](BodyWriter& writer) -> base::Task<void> {
      writer.on_end([&] { called_late = returned; });
      end = std::make_shared<runtime::Wakeup>(where->world.clock());
      co_await end->wait();
      returned = true;
    };
    co_return response;
  });
  House house(std::move(router));
  where = &house;
  house.world.run_task([&]() -> base::Task<void> {
    auto stream = co_await house.dial();
    co_await House::say(*stream, kGet);
    co_await house.world.clock().sleep_for(1s);
    // The drain is told while the last chunk is on its way.
    end->notify();
    co_await house.server->drain(house.world.clock().now() + 10s);
  });
  EXPECT_TRUE(returned);
  EXPECT_FALSE(called_late);
}

TEST(Draining, LetsARequestUnderWayFinishAndWaitsNoLongerThanTold) {
  House* where = nullptr;
  Router router;
  router.exact("/slow", [&](Request request) -> base::Task<Response> {
    const auto wait = request.target.query_value("long") ? 100s : 2s;
    co_await where->world.clock().sleep_for(wait);
    co_return Response::text(200, "done");
  });
  House house(std::move(router));
  where = &house;
  house.world.run_task([&]() -> base::Task<void> {
    auto first = co_await house.dial();
    co_await House::say(*first, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    auto second = co_await house.dial();
    co_await House::say(*second, "GET /slow?long=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    co_await house.world.clock().sleep_for(1s);
    const auto start = house.world.clock().now();
    co_await house.server->drain(start + 5s);
    EXPECT_EQ(house.world.clock().now() - start, 5s);
    EXPECT_EQ(house.server->connections(), 1U);
    const auto heard = co_await house.hear(*first);
    EXPECT_EQ(heard.body(), "done");
    EXPECT_NE(heard.bytes.find("Connection: close"), std::string::npos);
    EXPECT_TRUE(heard.closed);
  });
}

}  // namespace
}  // namespace podkeeper::http
