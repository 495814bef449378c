#include "pkg/access/authorized.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace podkeeper::access {
namespace {

static_assert(!std::is_default_constructible_v<AuthorizedRead>);
static_assert(!std::is_constructible_v<AuthorizedRead, ReadScope>,
              "only an Authorizer may make the proof");

TEST(LoopbackAuthorizer, LetsEverybodyReadWhatTheyAskFor) {
  LoopbackAuthorizer authorizer;
  const auto allowed = authorizer.read("", {.plural_group = "pods", .namespace_ = "shop"});
  ASSERT_TRUE(allowed.has_value());
  EXPECT_EQ(allowed->scope().plural_group, "pods");
  EXPECT_EQ(allowed->scope().namespace_, "shop");
}

TEST(IsLoopback, IsTrueForThisMachineAlone) {
  for (const char* host : {"127.0.0.1", "127.255.0.9", "::1", "localhost"}) {
    EXPECT_TRUE(is_loopback(host)) << host;
  }
  for (const char* host : {"", "0.0.0.0", "::", "128.0.0.1", "10.0.0.1", "127.1",
                           "localhost.example", "127.0.0.1.example", "[::1]"}) {
    EXPECT_FALSE(is_loopback(host)) << host;
  }
}

}  // namespace
}  // namespace podkeeper::access
