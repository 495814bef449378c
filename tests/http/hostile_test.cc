#include "pkg/runtime/seeded_random.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/faults/record.h"
#include "tests/http/harness.h"
#include "tests/http/support/hostile_cases.h"

namespace podkeeper::http {
namespace {

using namespace std::string_literals;

/// One raw request and what it must come to. Every refusal closes the connection.
struct Case {
  std::string name;
  std::string request;
  int status;
  bool closes = true;
};

std::string get(const std::string& target, const std::string& fields = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}
std::string with(const std::string& fields, const std::string& body = "") {
  return "POST /echo HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body;
}

const std::vector<Case> kFraming = {
    {"TE chunked", with("Transfer-Encoding: chunked\r\n", "1\r\na\r\n0\r\n\r\n"), 400},
    {"TE identity", with("Transfer-Encoding: identity\r\n"), 400},
    {"TE xchunked", with("Transfer-Encoding: xchunked\r\n"), 400},
    {"TE chunked, identity", with("Transfer-Encoding: chunked, identity\r\n"), 400},
    {"TE gzip, chunked", with("Transfer-Encoding: gzip, chunked\r\n"), 400},
    {"TE twice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
    {"TE empty", with("Transfer-Encoding:\r\n"), 400},
    {"TE with tab", with("Transfer-Encoding:\tchunked\r\n"), 400},
    {"TE upper case", with("TRANSFER-ENCODING: CHUNKED\r\n"), 400},
    {"TE with blank before colon", with("Transfer-Encoding : chunked\r\n"), 400},
    {"TE then CL", with("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", "a"), 400},
    {"CL then TE", with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "a"), 400},
    {"TE in 1.0", "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"huge trailer", with("Transfer-Encoding: chunked\r\n", "0\r\nX: " + std::string(70'000, 'x')),
     400},
    {"CL twice, same", with("Content-Length: 1\r\nContent-Length: 1\r\n", "a"), 400},
    {"CL twice, different", with("Content-Length: 1\r\nContent-Length: 2\r\n", "ab"), 400},
    {"CL list", with("Content-Length: 1, 1\r\n", "a"), 400},
    {"CL plus", with("Content-Length: +1\r\n", "a"), 400},
    {"CL minus", with("Content-Length: -1\r\n"), 400},
    {"CL hexadecimal", with("Content-Length: 0x1\r\n", "a"), 400},
    {"CL fraction", with("Content-Length: 1.0\r\n", "a"), 400},
    {"CL blank inside", with("Content-Length: 1 1\r\n", "a"), 400},
    {"CL empty", with("Content-Length:\r\n"), 400},
    {"CL overflow", with("Content-Length: 18446744073709551616\r\n"), 400},
    {"CL largest", with("Content-Length: 18446744073709551615\r\n"), 413},
    {"CL too large", with("Content-Length: 101\r\n"), 413},
    {"CL allowed", with("Content-Length: 4\r\n", "body"), 200, false},
    {"CL zero", with("Content-Length: 0\r\n"), 200, false},
    {"body without length is the next request", with("", "body"), 200},
    {"Expect other", with("Expect: 200-ok\r\n"), 417},
    {"Expect twice", with("Expect: 100-continue\r\nExpect: 100-continue\r\n"), 417},
};

const std::vector<Case> kHeads = {
    {"no Host", "GET /hello HTTP/1.1\r\n\r\n", 400},
    {"two Hosts", "GET /hello HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    {"Host with blank", "GET /hello HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"Host with slash", "GET /hello HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"Host with user", "GET /hello HTTP/1.1\r\nHost: a@b\r\n\r\n", 400},
    {"IPv6 Host", "GET /hello HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 200, false},
    {"1.0 without Host", "GET /hello HTTP/1.0\r\n\r\n", 200},
    {"0.9", "GET /hello\r\n\r\n", 400},
    {"1.2", "GET /hello HTTP/1.2\r\nHost: a\r\n\r\n", 400},
    {"2.0", "GET /hello HTTP/2.0\r\nHost: a\r\n\r\n", 400},
    {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
    {"lower-case version", "GET /hello http/1.1\r\nHost: a\r\n\r\n", 400},
    {"lower-case method", "get /hello HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"method of 17 letters", "ABCDEFGHIJKLMNOPQ /hello HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"method with a digit", "GET1 /hello HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"two blanks", "GET  /hello HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"tab for blank", "GET\t/hello HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"trailing blank", "GET /hello HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
    {"empty first line", "\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"bare LF", "GET /hello HTTP/1.1\nHost: a\n\n", 400},
    {"bare LF in a field", "GET /hello HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n", 400},
    {"bare CR in a field", "GET /hello HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n", 400},
    {"NUL in a value", "GET /hello HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"s, 400},
    {"NUL in a name", "GET /hello HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n"s, 400},
    {"folded field", get("/hello", "X: a\r\n b\r\n"), 400},
    {"folded with tab", get("/hello", "X: a\r\n\tb\r\n"), 400},
    {"folded first field", "GET /hello HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n", 400},
    {"field without colon", get("/hello", "X\r\n"), 400},
    {"field without name", get("/hello", ": x\r\n"), 400},
    {"blank before colon", get("/hello", "X : y\r\n"), 400},
    {"TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s, 400},
    {"JSON", "{\"a\":1}\r\n\r\n", 400},
    {"100 fields",
     [] {
       std::string fields;
       for (int i = 0; i < 99; ++i) fields += "X: y\r\n";
       return get("/hello", fields);
     }(),
     200, false},
    {"101 fields",
     [] {
       std::string fields;
       for (int i = 0; i < 100; ++i) fields += "X: y\r\n";
       return get("/hello", fields);
     }(),
     431},
    {"header of 7 KiB", get("/hello", "X: " + std::string(7'000, 'x') + "\r\n"), 200, false},
    {"header of 9 KiB", get("/hello", "X: " + std::string(9'000, 'x') + "\r\n"), 431},
    {"header of 1 MiB", get("/hello", "X: " + std::string(1 << 20, 'x') + "\r\n"), 431},
};

const std::vector<Case> kTargets = {
    {"asterisk", get("*"), 400},
    {"absolute form", get("http://a/hello"), 400},
    {"authority form", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"no slash", get("hello"), 400},
    {"dot segment", get("/api/../hello"), 400},
    {"encoded dots", get("/api/%2e%2e/hello"), 400},
    {"encoded slash", get("/api%2fv1"), 400},
    {"encoded backslash", get("/api%5cv1"), 400},
    {"backslash", get("/api\\v1"), 400},
    {"encoded NUL", get("/hello%00"), 400},
    {"encoded newline", get("/hello%0d%0aX:%20y"), 400},
    {"raw non-ASCII", get("/hell\xc3\xb6"), 400},
    {"fragment", get("/hello#x"), 400},
    {"semicolon", get("/hello;x=y"), 400},
    {"bad percent", get("/hello%g1"), 400},
    {"double slash", get("//hello"), 400},
    {"empty segment", get("/api//v1"), 400},
    {"trailing slash", get("/hello/"), 200, false},
    {"encoded letter", get("/hell%6f"), 200, false},
    {"target of 2,048 bytes", get("/echo/" + std::string(2042, 'x')), 200, false},
    {"target of 2,049 bytes", get("/echo/" + std::string(2043, 'x')), 414},
    {"target of 100 KB", get("/" + std::string(100'000, 'x')), 414},
    {"target that never ends", "GET /" + std::string(100'000, 'x'), 414},
};

void expect_all(const std::vector<Case>& cases) {
  ServerLimits limits;
  limits.body_bytes_max = 100;
  House house(test_router(), limits);
  for (const Case& c : cases) {
    const Talk talk = house.talk({c.request});
    ASSERT_FALSE(talk.statuses().empty()) << c.name;
    EXPECT_EQ(talk.statuses().front(), c.status) << c.name;
    EXPECT_EQ(talk.closed, c.closes) << c.name;
    if (c.status >= 400) EXPECT_EQ(talk.statuses().size(), 1U) << c.name;
  }
  EXPECT_EQ(house.talk({get("/hello")}).body(), "hello") << "the server still serves";
}

TEST(HostileFraming, IsRefusedAndTheConnectionClosed) { expect_all(kFraming); }
TEST(HostileHeads, AreRefusedAndTheConnectionClosed) { expect_all(kHeads); }
TEST(HostileTargets, NeverReachARouteTheyAreNot) { expect_all(kTargets); }

/// A good request with a few bytes changed, doubled, dropped or blown up: mutation alone would
/// never reach the limits.
std::string damaged(std::string request, runtime::SeededRandom& random) {
  const auto below = [&random](std::size_t bound) {
    return static_cast<std::size_t>(random.next() % bound);
  };
  for (std::size_t i = 1 + below(3); i > 0; --i) {
    const std::size_t at = below(request.size());
    switch (below(4)) {
      case 0:
        request[at] = static_cast<char>(below(256));
        break;
      case 1:
        request.insert(at, request.substr(at, 1 + below(8)));
        break;
      case 2:
        request.erase(at, 1 + below(4));
        break;
      default:
        request.insert(at, std::string(below(10'000), static_cast<char>(below(256))));
    }
    if (request.empty()) request = "x";
  }
  return request;
}

TEST(HostileRequests, HoweverDamagedDoNotHarmTheServer) {
  ServerLimits limits;
  limits.body_bytes_max = 100;
  House house(test_router(), limits);
  runtime::SeededRandom random(7);
  const std::string request =
      "POST /echo/a%20b?c=d HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: "
      "keep-alive\r\n"
      "Transfer-Encoding: chunked\r\n\r\n4;x=y\r\nbody\r\n0\r\nT: u\r\n\r\n";
  for (int i = 0; i < 1000; ++i) {
    const std::string bytes =
        damaged(i % 2 == 0 ? request : with("Content-Length: 4\r\n", "body"), random);
    const Talk talk = house.talk({bytes}, std::chrono::seconds(15));
    for (const int status : talk.statuses()) EXPECT_NE(status, 500) << bytes;
  }
  house.world.run_for(std::chrono::minutes(5));
  EXPECT_EQ(house.server->connections(), 0U);
  EXPECT_EQ(house.talk({get("/hello")}).body(), "hello");
}

ServerLimits attacked_limits() {
  ServerLimits limits;
  limits.body_bytes_max = hostile::Limits{}.body_bytes;
  return limits;
}

/// Each case, alone and with a good request behind it on the same connection.
TEST(HostileCases, AreRefusedOnceEachAndTheConnectionClosed) {
  House house(test_router(), attacked_limits());
  const auto cases = hostile::all_cases({});
  EXPECT_GE(cases.size(), 300U);
  for (const hostile::Case& c : cases) {
    const Talk alone = house.talk({c.bytes}, std::chrono::seconds(11));
    EXPECT_EQ(alone.statuses(), std::vector{c.status}) << c.name;
    EXPECT_TRUE(alone.closed) << c.name;
    if (c.waits) continue;
    const Talk smuggling = house.talk({c.bytes + hostile::kSmuggled}, std::chrono::seconds(11));
    EXPECT_EQ(smuggling.statuses().size(), 1U) << c.name << ", and a good request behind it";
    EXPECT_TRUE(smuggling.closed) << c.name;
  }
  EXPECT_EQ(house.talk({get("/hello")}).body(), "hello") << "the server still serves";
  const std::string evidence = "podkeeper_http_rejected_total{reason}";
  faults::record(
      {.row = 52, .outcome = "400, connection closed, process alive", .evidence = evidence});
  faults::record(
      {.row = 53,
       .outcome = "400 and close for every ambiguous framing; nothing behind it answered",
       .evidence = evidence});
  faults::record({.row = 61, .outcome = "431 or 414 and close", .evidence = evidence});
}

/// No two cases are the same bytes, so that their number means something.
TEST(HostileCases, AreAllDifferent) {
  std::set<std::string> seen;
  for (const hostile::Case& c : hostile::all_cases({})) {
    EXPECT_TRUE(seen.insert(c.bytes).second) << c.name;
  }
}

TEST(HostileRequests, AThousandInOneWriteAreAnsweredInOrder) {
  House house;
  std::string requests;
  for (int i = 0; i < 1000; ++i) requests += get("/echo/" + std::to_string(i));
  const Talk talk = house.talk({requests});
  EXPECT_EQ(talk.statuses(), std::vector<int>(1000, 200));
  std::size_t at = 0;
  for (int i = 0; i < 1000 && at != std::string::npos; ++i) {
    at = talk.bytes.find("GET /echo/" + std::to_string(i) + "\n", at);
    EXPECT_NE(at, std::string::npos) << i;
  }
  faults::record({.row = 57,
                  .outcome = "answered in order from a buffer of 8 KiB",
                  .evidence = "podkeeper_http_requests_total"});
}

TEST(HostileRequests, AreCountedByReason) {
  House house;
  house.talk({with("Transfer-Encoding: chunked\r\n")});
  house.talk({get("/a/../b")});
  EXPECT_TRUE(house.metric("podkeeper_http_rejected_total{reason=\"transfer_encoding\"} 1"));
  EXPECT_TRUE(house.metric("podkeeper_http_rejected_total{reason=\"target\"} 1"));
  house.talk({get("/hello", "Impersonate-User: admin\r\n")});
  EXPECT_TRUE(house.metric("podkeeper_http_rejected_total{reason=\"impersonation\"} 1"));
}

}  // namespace
}  // namespace podkeeper::http
