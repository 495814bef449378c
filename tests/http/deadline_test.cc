#include <gtest/gtest.h>

#include <string>

#include "tests/faults/record.h"
#include "tests/http/harness.h"

namespace podkeeper::http {
namespace {

using namespace std::chrono_literals;

const std::string kGet = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends `first`, then `drop` every second until the server ends the connection; says when that was
/// and what came.
struct Slow {
  Talk talk;
  base::Duration ended{};
};
base::Task<Slow> drip(House& house, std::string first, std::string drop) {
  base::Clock& clock = house.world.clock();
  const auto start = clock.now();
  auto stream = co_await house.dial();
  co_await House::say(*stream, first);
  Slow slow;
  while (!slow.talk.closed && clock.now() - start < 1000s) {
    auto more = co_await house.hear(*stream, 1s);
    slow.talk.bytes += more.bytes;
    slow.talk.closed = more.closed;
    stream->set_deadline(base::MonotonicTime::max());
    co_await House::say(*stream, drop);
  }
  slow.ended = clock.now() - start;
  co_return slow;
}
Slow run_drip(House& house, const std::string& first, const std::string& drop) {
  Slow slow;
  house.world.run_task([&]() -> base::Task<void> { slow = co_await drip(house, first, drop); });
  return slow;
}

TEST(Deadlines, CutAHeadThatDripsAtTheAbsoluteTime) {
  House house;
  const Slow slow = run_drip(house, "GET /hello HTTP/1.1\r\nHost: a\r\nX: ", "x");
  EXPECT_EQ(slow.talk.statuses(), std::vector{408});
  EXPECT_GE(slow.ended, 10s);
  EXPECT_LT(slow.ended, 12s);
  EXPECT_TRUE(house.metric("podkeeper_http_timeouts_total{phase=\"header\"} 1"));
}

TEST(Deadlines, CutABodyThatDrips) {
  ServerLimits limits;
  limits.body_bytes_max = 1000;
  House house(test_router(), limits);
  const Slow slow =
      run_drip(house, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", "x");
  EXPECT_EQ(slow.talk.statuses(), std::vector{408});
  EXPECT_LT(slow.ended, 12s);
  EXPECT_TRUE(house.metric("podkeeper_http_timeouts_total{phase=\"body\"} 1"));
  faults::record({.row = 54,
                  .outcome = "408 and close 10 s after the first byte, however many drip in",
                  .evidence = "podkeeper_http_timeouts_total{phase}"});
}

TEST(Deadlines, CloseASilentConnectionWithoutAWord) {
  House house;
  const Slow fresh = run_drip(house, "", "");
  EXPECT_EQ(fresh.talk.bytes, "");
  EXPECT_LT(fresh.ended, 12s);
  const Slow idle = run_drip(house, kGet, "");
  EXPECT_EQ(idle.talk.statuses(), std::vector{200});
  EXPECT_GE(idle.ended, 90s);
  EXPECT_LT(idle.ended, 92s);
  EXPECT_TRUE(house.metric("podkeeper_http_timeouts_total{phase=\"idle\"} 1"));
}

TEST(Deadlines, CutAClientThatDoesNotTakeItsAnswer) {
  Router router;
  router.exact("/big", [](Request) -> base::Task<Response> {
    co_return Response::text(200, std::string(16 << 20, 'x'));
  });
  House house(std::move(router));
  house.world.run_task([&]() -> base::Task<void> {
    auto stream = co_await house.dial();
    co_await House::say(*stream, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    co_await house.world.clock().sleep_for(9s);
    EXPECT_EQ(house.server->connections(), 1U);
    co_await house.world.clock().sleep_for(2s);
    EXPECT_EQ(house.server->connections(), 0U);
  });
  EXPECT_TRUE(house.metric("podkeeper_http_timeouts_total{phase=\"write\"} 1"));
  faults::record({.row = 55,
                  .outcome = "cut 10 s (a stream: 30 s) after it took the last block; until then "
                             "it holds 16 to 256 KiB",
                  .evidence = "podkeeper_http_timeouts_total{phase=\"write\"}, log line \"slow "
                              "client cut\""});
}

TEST(Deadlines, LetAClientThatTakesItsAnswerStepByStepGoOn) {
  Router router;
  router.exact("/big", [](Request) -> base::Task<Response> {
    co_return Response::text(200, std::string(2 << 20, 'x'));
  });
  House house(std::move(router));
  house.world.run_task([&]() -> base::Task<void> {
    auto stream = co_await house.dial();
    co_await House::say(*stream, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    std::string buffer(64 * 1024, '\0');
    std::size_t got = 0;
    while (got < 2 << 20) {  // some 4 KiB a read: 40 s in all
      stream->set_deadline(house.world.clock().now() + 5s);
      const auto some = co_await stream->read_some(boost::asio::buffer(buffer));
      if (!some || *some == 0) break;
      got += *some;
      co_await house.world.clock().sleep_for(40ms);
    }
    EXPECT_GE(got, std::size_t{2} << 20);
  });
}

TEST(Deadlines, TellTheHandlerUntilWhenItMayAnswer) {
  base::Duration left{};
  Router router;
  House* where = nullptr;
  router.exact("/when", [&](Request request) -> base::Task<Response> {
    left = request.deadline - where->world.clock().now();
    co_return Response::text(200, "");
  });
  House house(std::move(router));
  where = &house;
  house.talk({"GET /when HTTP/1.1\r\nHost: a\r\n\r\n"});
  EXPECT_GT(left, 59s);
  EXPECT_LE(left, 60s);
}

}  // namespace
}  // namespace podkeeper::http
