#include "pkg/recovery/panic_report.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/faults/record.h"
#include "tests/http/harness.h"

namespace podkeeper::http {
namespace {

std::string get(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n";
}

TEST(Panics, AreAFiveHundredToThatClientAlone) {
  House house;
  for (const std::string how : {"std", "int", "check"}) {
    const auto before = recovery::PanicRecorder::instance().total();
    const Talk talk = house.talk({get("/hello") + get("/fail?how=" + how) + get("/hello")});
    EXPECT_EQ(talk.statuses(), (std::vector{200, 500, 200})) << how;
    EXPECT_FALSE(talk.closed);
    EXPECT_EQ(talk.bytes.find("the test asked"), std::string::npos) << "what() is not for clients";
    EXPECT_EQ(recovery::PanicRecorder::instance().total(), before + 1);
  }
  faults::record({.row = 39,
                  .outcome = "500 to that client; the next request on its connection is served",
                  .evidence = "podkeeper_panics_total{handler=\"http\"}",
                  .recovery = {}});
}

TEST(Panics, AreReportedWithTheRequestAndItsTrace) {
  House house;
  const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  house.talk({"GET /fail/here HTTP/1.1\r\nHost: a\r\ntraceparent: 00-" + trace +
              "-00f067aa0ba902b7-01\r\n\r\n"});
  const auto report = recovery::PanicRecorder::instance().last().front();
  EXPECT_EQ(report.handler, base::Handler::kHttp);
  EXPECT_EQ(report.request.method, "GET");
  EXPECT_EQ(report.request.path, "/fail/here");
  EXPECT_EQ(report.trace.trace_id_hex(), trace);
  EXPECT_EQ(report.message, "the test asked for it");
}

TEST(Panics, OfOneClientDoNotDisturbTheOthers) {
  House house;
  int served = 0;
  for (int i = 0; i < 20; ++i) {
    const bool bad = i % 2 == 0;
    const auto started = house.group.spawn(
        "client", base::Handler::kEvent, [&house, &served, bad]() -> base::Task<void> {
          const auto talk = co_await house.ask(get(bad ? "/fail?how=check" : "/hello"));
          served += talk.statuses() == std::vector{bad ? 500 : 200} ? 1 : 0;
        });
    ASSERT_TRUE(started.has_value());
  }
  EXPECT_TRUE(house.world.run_until([&] { return served == 20; }, std::chrono::minutes(1)));
}

TEST(Panics, OfAPlainFunctionOrARendererAreCaughtToo) {
  Router router;
  router.exact("/plain", [](const Request&) -> base::Task<Response> { throw 1; });
  router.prefix(
      "/renderer", [](const Request&) -> base::Task<Response> { throw 2; },
      [](const base::Error&, int) -> Response { throw 3; });
  House house(std::move(router));
  EXPECT_EQ(house.talk({get("/plain")}).statuses(), std::vector{500});
  EXPECT_EQ(house.talk({get("/renderer")}).statuses(), std::vector{500});
}

TEST(Panics, ReplaceAnAnswerWhoseHeadersCannotBeSent) {
  Router router;
  router.prefix("/split", [](Request request) -> base::Task<Response> {
    Response response;
    response.status = request.target.query_value("status") == "204" ? 204 : 200;
    response.headers.add("X", "a\r\nSet-Cookie: b");
    if (request.target.query_value("stream")) {
      response.body = [](BodyWriter&) -> base::Task<void> { co_return; };
    }
    co_return response;
  });
  House house(std::move(router));
  for (const std::string query : {"", "?status=204", "?stream=1"}) {
    const Talk talk = house.talk({get("/split" + query) + get("/split" + query)});
    EXPECT_EQ(talk.statuses(), (std::vector{500, 500})) << query;
    EXPECT_EQ(talk.bytes.find("Set-Cookie"), std::string::npos) << query;
  }
}

}  // namespace
}  // namespace podkeeper::http
