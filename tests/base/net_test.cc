#include "pkg/base/net.h"

#include <gtest/gtest.h>

#include <string>

namespace podkeeper::base {
namespace {

TEST(Endpoint, ReadsHostsAddressesAndPorts) {
  const struct {
    const char* text;
    Endpoint endpoint;
  } cases[] = {
      {"127.0.0.1:8080", {"127.0.0.1", 8080}},
      {"localhost:0", {"localhost", 0}},
      {"kube.example.com:65535", {"kube.example.com", 65535}},
      {"[::1]:6443", {"::1", 6443}},
      {"[fe80::1%eth0]:1", {"fe80::1%eth0", 1}},
      {":8081", {"::", 8081}},
  };
  for (const auto& c : cases) {
    const auto endpoint = parse_endpoint(c.text);
    ASSERT_TRUE(endpoint.has_value()) << c.text;
    EXPECT_EQ(*endpoint, c.endpoint) << c.text;
  }
}

TEST(Endpoint, IsWrittenAsItIsRead) {
  for (const char* text : {"127.0.0.1:8080", "[::1]:6443", "name:1"}) {
    EXPECT_EQ(to_string(parse_endpoint(text).value()), text);
  }
}

TEST(Endpoint, NamesWhatIsWrong) {
  const struct {
    const char* text;
    const char* why;
  } cases[] = {
      {"", "the port is missing"},
      {"localhost", "the port is missing"},
      {"localhost:", "the port is not a number from 0 to 65535"},
      {"localhost:http", "the port is not a number from 0 to 65535"},
      {"localhost:80x", "the port is not a number from 0 to 65535"},
      {"localhost:65536", "the port is not a number from 0 to 65535"},
      {"localhost:-1", "the port is not a number from 0 to 65535"},
      {"localhost: 80", "the port is not a number from 0 to 65535"},
      {"::1:8080", "an IPv6 address stands in brackets"},
  };
  for (const auto& c : cases) {
    const auto endpoint = parse_endpoint(c.text);
    ASSERT_FALSE(endpoint.has_value()) << c.text;
    EXPECT_EQ(endpoint.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(endpoint.error().message, "address \"" + std::string(c.text) + "\": " + c.why +
                                            "; write HOST:PORT, for example 127.0.0.1:8080");
  }
}

}  // namespace
}  // namespace podkeeper::base
