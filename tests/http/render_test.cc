#include "pkg/http/render.h"

#include "pkg/base/panic.h"

#include <gtest/gtest.h>

#include <string>

namespace podkeeper::http {
namespace {

TEST(DateCache, WritesTheDateAsHttpWantsIt) {
  DateCache cache;
  const base::WallTime when{std::chrono::seconds(784111777)};
  EXPECT_EQ(cache.at(when), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(cache.at(when + std::chrono::milliseconds(999)), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(cache.at(when + std::chrono::seconds(1)), "Sun, 06 Nov 1994 08:49:38 GMT");
}

TEST(Head, SaysWhatTheResponseSays) {
  Response response = Response::json(201, "{}");
  response.headers.add("Podkeeper-Revision", "7");
  std::string out;
  append_head(out, response, HeadContext{.date = "now", .trace = {}, .content_length = 2});
  EXPECT_EQ(
      out,
      "HTTP/1.1 201 Created\r\nDate: now\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
      "Podkeeper-Revision: 7\r\n\r\n");
}

TEST(Head, CarriesTheTraceAsTheStandardWritesIt) {
  HeadContext context;
  context.trace =
      base::parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").value();
  std::string out;
  append_head(out, Response{}, context);
  EXPECT_NE(out.find("\r\nTraceparent: " + context.trace.traceparent() + "\r\n"),
            std::string::npos);
}

TEST(Head, RefusesAFieldThatWouldBreakTheFraming) {
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"X", "a\r\nSet-Cookie: b"},
                                                        {"X", std::string("a\0b", 3)},
                                                        {"X:Y", "a"},
                                                        {"", "a"},
                                                        {"content-length", "3"},
                                                        {"Transfer-Encoding", "chunked"},
                                                        {"Connection", "close"}}) {
    Response response;
    response.headers.add(name, value);
    std::string out;
    EXPECT_THROW(append_head(out, response, HeadContext{}), base::Panic) << name;
  }
}

TEST(ChunkSizeLine, IsHexadecimal) {
  char buffer[20];
  EXPECT_EQ(chunk_size_line(2048, buffer), "800\r\n");
  EXPECT_EQ(chunk_size_line(0x1234567890abcdef, buffer), "1234567890abcdef\r\n");
}

TEST(Status, FollowsTheErrorsCode) {
  EXPECT_EQ(status_of(base::Error{base::ErrorCode::kExpired, ""}), 410);
  EXPECT_EQ(status_of(base::Error{base::ErrorCode::kUnprocessable, ""}), 422);
  EXPECT_EQ(status_of(base::Error{base::ErrorCode::kTimeout, ""}), 504);
  EXPECT_EQ(status_of(base::Error{base::ErrorCode::kInternal, ""}), 500);
}

}  // namespace
}  // namespace podkeeper::http
