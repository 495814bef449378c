#include "pkg/http/server.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/http/harness.h"

namespace podkeeper::http {
namespace {

const std::string kGet = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(Server, AnswersAndKeepsTheConnection) {
  House house;
  const Talk talk = house.talk({kGet});
  EXPECT_EQ(talk.statuses(), std::vector{200});
  EXPECT_EQ(talk.body(), "hello");
  EXPECT_FALSE(talk.closed);
  EXPECT_NE(talk.bytes.find("\r\nDate: "), std::string::npos);
  EXPECT_NE(talk.bytes.find("\r\nContent-Length: 5\r\n"), std::string::npos);
}

TEST(Server, AnswersPipelinedRequestsInOrder) {
  House house;
  std::string requests;
  for (int i = 0; i < 1000; ++i) {
    requests += "GET /echo/" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  }
  const Talk talk = house.talk({requests});
  EXPECT_EQ(talk.statuses(), std::vector<int>(1000, 200));
  std::size_t at = 0;
  for (int i = 0; i < 1000; ++i) {
    at = talk.bytes.find("GET /echo/" + std::to_string(i) + "\n", at);
    ASSERT_NE(at, std::string::npos) << i;
  }
  EXPECT_FALSE(talk.closed);
}

TEST(Server, ReadsARequestTheSameWhereverItIsCut) {
  ServerLimits limits;
  limits.body_bytes_max = 100;
  const std::string request =
      "POST /echo/x?a=%41+b HTTP/1.1\r\nHost: a\r\nX-Y: z\r\nContent-Length: 4\r\n\r\nbody";
  House whole(test_router(), limits);
  const std::string expected = whole.talk({request}).body();
  EXPECT_EQ(expected, "POST /echo/x a=A b\nHost: a\nX-Y: z\nContent-Length: 4\nbody");
  House house(test_router(), limits);
  for (std::size_t cut = 1; cut < request.size(); ++cut) {
    EXPECT_EQ(house.talk({request.substr(0, cut), request.substr(cut)}).body(), expected) << cut;
  }
  std::vector<std::string> bytes;
  for (const char c : request) bytes.emplace_back(1, c);
  EXPECT_EQ(house.talk(bytes).body(), expected);
}

TEST(Server, ClosesWhereTheClientAsksOrCannotKeepAlive) {
  House house;
  EXPECT_TRUE(house.talk({"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"}).closed);
  EXPECT_TRUE(
      house.talk({"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n"}).closed);
  const Talk old = house.talk({"GET /hello HTTP/1.0\r\n\r\n"});
  EXPECT_TRUE(old.closed);
  EXPECT_EQ(old.body(), "hello");
}

TEST(Server, GivesHeadersButNoBodyToHead) {
  House house;
  const Talk talk = house.talk({"HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n" + kGet});
  EXPECT_EQ(talk.statuses(), (std::vector{200, 200}));
  EXPECT_EQ(talk.bytes.find("hello"), talk.bytes.rfind("hello"));
  EXPECT_FALSE(talk.closed);
}

TEST(Server, GivesUnknownPathsAndMethodsToWhoeverServesThem) {
  House house;
  EXPECT_EQ(house.talk({"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"}).body(),
            "404 page not found\n");
  EXPECT_EQ(house.talk({"PURGE /hello HTTP/1.1\r\nHost: a\r\n\r\n"}).statuses(), std::vector{200});
}

TEST(Server, AnswersExpectContinueOnlyWhenABodyMayCome) {
  ServerLimits limits;
  limits.body_bytes_max = 4;
  House house(test_router(), limits);
  const std::string head = "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n";
  const Talk good = house.talk({head + "Content-Length: 4\r\n\r\n", "body"});
  EXPECT_EQ(good.statuses(), (std::vector{100, 200}));
  const Talk large = house.talk({head + "Content-Length: 5\r\n\r\n"});
  EXPECT_EQ(large.statuses(), std::vector{413});
  EXPECT_TRUE(large.closed);
}

TEST(Server, RendersItsOwnErrorsAsThePathsRoomDoes) {
  House house;
  const Talk talk =
      house.talk({"POST /api/v1/pods HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"});
  EXPECT_EQ(talk.statuses(), std::vector{413});
  EXPECT_NE(talk.bytes.find("{\"message\":"), std::string::npos);
}

/// A client is sent what `gather` adds to a body of the given text; it must be `count` times that.
void expect_sent(std::size_t count,
                 const std::function<void(GatheredBody&, const std::string&)>& gather) {
  static constexpr std::string_view kText = "0123456789abcdef,";
  Router router;
  router.exact("/list", [&gather](Request) -> base::Task<Response> {
    auto text = std::make_shared<std::string>(kText);
    GatheredBody body{.pieces = {}, .owner = text};
    gather(body, *text);
    Response response;
    response.body = std::move(body);
    co_return response;
  });
  House house(std::move(router));
  const Talk talk = house.talk({"GET /list HTTP/1.1\r\nHost: a\r\n\r\n"});
  std::string expected;
  for (std::size_t i = 0; i < count; ++i) expected += kText;
  EXPECT_EQ(talk.body(), expected) << count;
  EXPECT_FALSE(talk.closed);
}

TEST(Server, SendsGatheredBodiesWholeOnceAndInOrder) {
  for (const std::size_t count : {0UL, 1UL, 10UL, 30'000UL}) {
    expect_sent(count, [count](GatheredBody& body, const std::string& text) {
      for (std::size_t i = 0; i < count; ++i) body.add(text);
    });
  }
}

TEST(Server, SendsPiecesThatAreMadeWhileItWrites) {
  for (const std::size_t rounds : {0UL, 1UL, 3UL, 2'000UL}) {
    expect_sent(1 + 2 * rounds, [rounds](GatheredBody& body, const std::string& text) {
      body.add(text);
      body.size += rounds * 2 * text.size();
      body.more = [&text, left = rounds](std::vector<std::string_view>& pieces) mutable {
        if (left == 0) return;
        --left;
        pieces.assign(2, text);
      };
    });
  }
}

TEST(Server, ContinuesTheCallersTraceOrBeginsOne) {
  House house;
  const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  const Talk given = house.talk({"GET /hello HTTP/1.1\r\nHost: a\r\ntraceparent: 00-" + trace +
                                 "-00f067aa0ba902b7-01\r\n\r\n"});
  EXPECT_NE(given.bytes.find("\r\nTraceparent: 00-" + trace + "-"), std::string::npos);
  EXPECT_EQ(given.bytes.find("00f067aa0ba902b7"), std::string::npos) << "the span is our own";
  const Talk fresh = house.talk({kGet});
  EXPECT_NE(fresh.bytes.find("\r\nTraceparent: 00-"), std::string::npos);
  EXPECT_EQ(fresh.bytes.find(std::string(32, '0')), std::string::npos);
}

TEST(Server, CountsAnswersByVerbResourceScopeAndCode) {
  Router router;
  router.exact("/pods", [](Request) -> base::Task<Response> {
    Response response = Response::json(200, "{}");
    response.verb = Verb::kList;
    response.resource = "pods";
    response.scope = Scope::kCluster;
    co_return response;
  });
  House house(std::move(router));
  house.talk({"GET /pods HTTP/1.1\r\nHost: a\r\n\r\n"});
  EXPECT_TRUE(house.metric("podkeeper_http_requests_total{"));
  EXPECT_TRUE(house.metric("resource=\"pods\""));
  EXPECT_TRUE(house.metric("podkeeper_http_inflight_requests{kind=\"request\"} 0"));
}

TEST(Server, SaysThatAnAddressIsInUse) {
  House house;
  const auto again = house.server->listen(house.endpoint);
  ASSERT_FALSE(again.has_value());
  EXPECT_NE(again.error().message.find(base::to_string(house.endpoint)), std::string::npos);
}

}  // namespace
}  // namespace podkeeper::http
