#include "pkg/base/task_context.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/http/harness.h"

namespace podkeeper::http {
namespace {

// What one request must not see of another: the ways to share by accident that go through a server.

std::string get(const std::string& target, const std::string& fields = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

/// The bytes of the second of two answers on one connection.
std::string second_answer(const Talk& talk) {
  return talk.bytes.substr(talk.bytes.rfind(Talk::kVersion));
}

TEST(SharedByAccident, ARequestHasNoMetadataOfTheOneBeforeItOnItsConnection) {
  House house;
  const Talk talk = house.talk({get("/echo/1?a=1", "X-Mine: secret\r\n") + get("/echo/2")});
  EXPECT_NE(talk.bytes.find("secret"), std::string::npos);
  const std::string second = second_answer(talk);
  EXPECT_NE(second.find("GET /echo/2\nHost: a\n"), std::string::npos) << second;
  EXPECT_EQ(second.find("secret"), std::string::npos) << second;
  EXPECT_EQ(second.find("a=1"), std::string::npos) << second;
}

TEST(SharedByAccident, WhatAMiddlewareAddsEndsWithItsRequest) {
  Router router;
  const auto with_user = [](Request request) -> base::Task<Response> {
    if (const auto user = request.target.query_value("user"))
      request.headers.add("X-User", std::string(*user));
    auto answer = echo(std::move(request));
    co_return co_await std::move(answer);
  };
  router.prefix("/", with_user);
  House house(std::move(router));
  const Talk talk = house.talk({get("/1?user=anna") + get("/2")});
  EXPECT_NE(talk.bytes.find("X-User: anna"), std::string::npos);
  EXPECT_EQ(second_answer(talk).find("X-User"), std::string::npos);
}

TEST(SharedByAccident, AContextTellsOfTheRequestBeingAnsweredAlone) {
  Router router;
  router.prefix("/", [](Request) -> base::Task<Response> {
    const auto asked = base::current_task()->request();
    co_return Response::text(200, asked.method + " " + asked.path + " <" + asked.user + ">");
  });
  House house(std::move(router));
  const Talk talk = house.talk({get("/first") + get("/second")});
  EXPECT_NE(talk.bytes.find("GET /first <>"), std::string::npos);
  EXPECT_NE(second_answer(talk).find("GET /second <>"), std::string::npos);
}

TEST(SharedByAccident, APooledBlockShowsNothingOfTheAnswerBefore) {
  Router router;
  router.prefix("/", [](Request request) -> base::Task<Response> {
    const bool large = request.target.path == "/large";
    const auto text = std::make_shared<std::string>(large ? 300'000u : 20'000u, large ? 'a' : 'b');
    GatheredBody body{.pieces = {}, .owner = text};
    body.add(*text);
    Response response;
    response.body = std::move(body);
    co_return response;
  });
  House house(std::move(router));
  EXPECT_EQ(house.talk({get("/large")}).body(), std::string(300'000, 'a'));
  EXPECT_EQ(house.talk({get("/small")}).body(), std::string(20'000, 'b'));
}

}  // namespace
}  // namespace podkeeper::http
