#include "pkg/kube/discovery_client.h"

#include "pkg/kube/resource_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/kube/recorded.h"
#include "tests/kube/scripted_upstream.h"

namespace podkeeper::kube {
namespace {

using base::ErrorCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::http_answer;
using testing::read_recorded;
using testing::ScriptedUpstream;
using testing::Step;

/// An answer in the aggregated form.
Step aggregated(const std::string& body, const std::string& etag = "\"1\"") {
  const std::string type = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
  return {.bytes = "HTTP/1.1 200 OK\r\nContent-Type: " + type + "\r\nETag: " + etag +
                   "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body};
}

Step plain(int status, const std::string& body) { return {.bytes = http_answer(status, body)}; }

const Step kUnchanged{.bytes = "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n"};
const std::string kNoGroups = R"({"kind":"APIGroupDiscoveryList","items":[]})";
const std::string kAway =
    R"({"kind":"Status","status":"Failure","message":"away","reason":"ServiceUnavailable","code":503})";

/// A discovery client in a simulated world, against a script.
class Discovering {
 public:
  explicit Discovering(std::vector<Step> script)
      : upstream(world, group, std::move(script)),
        client(world, metrics, {.endpoint = {"upstream", 6443}, .user_agent = "test"}) {}
  ~Discovering() {
    group.stop();
    world.run_for(std::chrono::minutes(1));
  }
  base::Result<Offered> discover() {
    std::optional<base::Result<Offered>> result;
    world.run_task([&]() -> base::Task<void> {
      auto discovering = discovery.discover();
      result = co_await std::move(discovering);
    });
    return *std::move(result);
  }
  [[nodiscard]] std::vector<std::string> asked() const {
    std::vector<std::string> targets;
    for (const auto& one : upstream.asked()) targets.push_back(one.target);
    return targets;
  }

  runtime::SimulatedWorld world{1};
  telemetry::Metrics metrics;
  runtime::TaskRegistry registry{world.clock()};
  runtime::TaskGroup group{world, registry, "test"};
  ScriptedUpstream upstream;
  http::Client client;
  DiscoveryClient discovery{world, client};
};

TEST(DiscoveryClient, AsksAnAggregatingServerTwice) {
  Discovering upstream({aggregated(read_recorded("011").body), aggregated(kNoGroups)});
  const auto offered = upstream.discover();
  ASSERT_TRUE(offered) << offered.error().message;
  EXPECT_TRUE(find_offered(*offered, {.plural = "configmaps", .version = "", .group = ""}));
  EXPECT_THAT(upstream.asked(), ElementsAre("/api", "/apis"));
}

TEST(DiscoveryClient, WhatHasNotChangedIsNotSentAgain) {
  Discovering upstream(
      {aggregated(read_recorded("011").body), aggregated(kNoGroups), kUnchanged, kUnchanged});
  const auto first = upstream.discover();
  const auto second = upstream.discover();
  ASSERT_TRUE(first && second) << second.error().message;
  ASSERT_EQ(second->versions.size(), 1);
  EXPECT_EQ(second->versions[0].resources.size(), first->versions[0].resources.size());
}

TEST(DiscoveryClient, AsksAnOlderServerGroupByGroup) {
  const std::string groups =
      R"({"kind":"APIGroupList","groups":[{"name":"apps","versions":[{"version":"v1"}]},)"
      R"({"name":"metrics.k8s.io","versions":[{"version":"v1beta1"}]}]})";
  Discovering upstream({plain(200, read_recorded("005").body),
                        plain(200, read_recorded("007").body), plain(200, groups),
                        plain(200, read_recorded("008").body), plain(503, kAway)});
  const auto offered = upstream.discover();
  ASSERT_TRUE(offered) << offered.error().message;
  EXPECT_THAT(upstream.asked(), ElementsAre("/api", "/api/v1", "/apis", "/apis/apps/v1",
                                            "/apis/metrics.k8s.io/v1beta1"));
  EXPECT_TRUE(find_offered(*offered, {.plural = "secrets", .version = "", .group = ""}));
  EXPECT_TRUE(find_offered(*offered, {.plural = "deployments", .version = "v1", .group = "apps"}));
  const auto away =
      find_offered(*offered, {.plural = "nodes", .version = "", .group = "metrics.k8s.io"});
  EXPECT_EQ(away.error().code, ErrorCode::kUnavailable);
}

TEST(DiscoveryClient, AnErrorBeginsWithWhatWasAsked) {
  Discovering away({plain(503, kAway)});
  EXPECT_EQ(away.discover().error().message, "GET /api: away");
  Discovering torn({aggregated(read_recorded("011").body), aggregated("{\"kind\":")});
  const auto error = torn.discover().error();
  EXPECT_EQ(error.code, ErrorCode::kDecode);
  EXPECT_THAT(error.message, HasSubstr("GET /apis: "));
  Discovering silent({});
  EXPECT_EQ(silent.discover().error().code, ErrorCode::kTimeout);
}

}  // namespace
}  // namespace podkeeper::kube
