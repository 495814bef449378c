#include "pkg/http/message.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace podkeeper::http {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

TEST(Target, HasOneCanonicalForm) {
  const auto target = parse_target("/api/v1/namespaces/shop/pods/web%2d0/?watch=1");
  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(target->path, "/api/v1/namespaces/shop/pods/web-0");
  EXPECT_EQ(target->segments,
            (std::vector<std::string>{"api", "v1", "namespaces", "shop", "pods", "web-0"}));
  EXPECT_EQ(target->query, (Pairs{{"watch", "1"}}));
  EXPECT_EQ(parse_target("/")->path, "/");
  EXPECT_TRUE(parse_target("/")->segments.empty());
  EXPECT_EQ(parse_target("/readyz?verbose")->query, (Pairs{{"verbose", ""}}));
}

TEST(Target, DecodesTheQueryAsFormsDo) {
  const auto target =
      parse_target("/p?labelSelector=app%3Dweb%2Ctier+in+(a,b)&x=1&&y=2&fieldSelector=a=b");
  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(target->query_value("labelSelector"), "app=web,tier in (a,b)");
  EXPECT_EQ(target->query_value("fieldSelector"), "a=b");
  EXPECT_EQ(target->query_value("x"), "1");
  EXPECT_EQ(target->query_value("z"), std::nullopt);
  EXPECT_EQ(parse_target("/p?")->query, Pairs{});
}

TEST(Target, RefusesWhatTwoReadersCouldReadDifferently) {
  for (const std::string text :
       {"",         "*",           "api",         "http://host/api", "host:443",      "/a/../b",
        "/a/./b",   "/..",         "/a/%2e%2e/b", "/a/%2E/b",        "/a/.%2e/b",     "/a%2fb",
        "/a%2Fb",   "/a%5cb",      "/a\\b",       "/a%00b",          "/a%0ab",        "/a%7fb",
        "/a%80",    "/a\x80",      "/a#b",        "/a?b#c",          "/a;b",          "/a%",
        "/a%2",     "/a%zz",       "/a b",        "/a\"b",           "/a<b",          "/a|b",
        "/a?b=%00", "/a?b=%0d%0a", "/a?b=%",      "/a?b=%4",         "/a?b=\xc3\xa4", "/a?b=%c3%28",
        "/a?b;c",   "//",          "//api",       "/api//v1",        "/api/v1//",     "/a%252fb",
        "/a%3fb",   "/a%23b",      "/a%3bb",      "/a//?b"}) {
    const auto target = parse_target(text);
    ASSERT_FALSE(target.has_value()) << text;
    EXPECT_EQ(target.error().code, base::ErrorCode::kInvalidArgument) << text;
  }
}

TEST(Target, RefusesAKeyThatComesTwiceButForWhatHealthChecksRepeat) {
  for (const char* text : {"/p?watch=0&watch=1", "/p?a=1&b=2&a=1", "/p?w%61tch=0&watch=1", "/p?a&a",
                           "/p?exclude=a&b=1&b=1"}) {
    EXPECT_FALSE(parse_target(text).has_value()) << text;
  }
  EXPECT_EQ(parse_target("/readyz?exclude=a&exclude=b")->query_values("exclude"),
            (std::vector<std::string_view>{"a", "b"}));
}

TEST(Target, BoundsTheNumberOfQueryParameters) {
  std::string text = "/p?";
  for (int i = 0; i < 64; ++i) text += "a" + std::to_string(i) + "=1&";
  EXPECT_TRUE(parse_target(text).has_value());
  EXPECT_FALSE(parse_target(text + "b=1").has_value());
}

TEST(Target, IsTheSameForEveryEncodingOfAPath) {
  const std::string plain = "/api/v1/pods";
  for (std::size_t i = 1; i < plain.size(); ++i) {
    if (plain[i] == '/') continue;
    static constexpr char kDigits[] = "0123456789abcdef";
    const auto byte = static_cast<unsigned>(plain[i]);
    const std::string encoded =
        plain.substr(0, i) + "%" + kDigits[byte / 16] + kDigits[byte % 16] + plain.substr(i + 1);
    ASSERT_TRUE(parse_target(encoded).has_value()) << encoded;
    EXPECT_EQ(parse_target(encoded)->path, plain) << encoded;
  }
}

}  // namespace
}  // namespace podkeeper::http
