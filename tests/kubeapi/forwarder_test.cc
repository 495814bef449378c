#include "pkg/kubeapi/forwarder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/kube/scripted_upstream.h"

namespace podkeeper::kubeapi {
namespace {

using namespace std::chrono_literals;
using base::ErrorCode;
using kube::testing::http_answer;
using kube::testing::ScriptedUpstream;
using kube::testing::Step;
using Answer = base::Result<http::Response>;

class Forwards : public ::testing::Test {
 protected:
  void script(std::vector<Step> steps, ForwarderOptions options = {}) {
    upstream_.emplace(world_, group_, std::move(steps));
    client_.emplace(world_, metrics_,
                    http::ClientOptions{.endpoint = {"upstream", 6443}, .user_agent = "test"});
    forwarder_.emplace(world_, *client_, metrics_, options);
  }
  ~Forwards() override {
    group_.stop();
    world_.run_for(1min);
  }
  std::shared_ptr<std::optional<Answer>> start(const std::string& target) {
    auto answer = std::make_shared<std::optional<Answer>>();
    const auto asking = [this, target, answer]() -> base::Task<void> {
      http::Request request;
      request.method = "GET";
      request.target = http::parse_target(target).value();
      auto forwarding = forwarder_->forward(std::move(request));
      answer->emplace(co_await std::move(forwarding));
    };
    EXPECT_TRUE(group_.spawn("read", base::Handler::kHttp, asking));
    return answer;
  }
  Answer ask(const std::string& target) {
    const auto answer = start(target);
    EXPECT_TRUE(world_.run_until([&] { return answer->has_value(); }, 1min));
    return std::move(**answer);
  }

  runtime::SimulatedWorld world_{1};
  runtime::TaskRegistry registry_{world_.clock()};
  runtime::TaskGroup group_{world_, registry_, "test"};
  telemetry::Metrics metrics_;
  std::optional<ScriptedUpstream> upstream_;
  std::optional<http::Client> client_;
  std::optional<Forwarder> forwarder_;
};

TEST_F(Forwards, AskUpstreamTheSameWithoutWhatOnlyPodkeeperKnows) {
  script({{.bytes = http_answer(200, "{\"kind\":\"PodList\"}\n")}});
  const auto answer =
      ask("/api/v1/namespaces/shop/pods?consistency=linearizable&labelSelector=a%3Db%2Cc&maxAgeMs=1"
          "&minRevision=2&limit=5");
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(std::get<std::string>(answer->body), "{\"kind\":\"PodList\"}\n");
  EXPECT_EQ(upstream_->asked().at(0).target,
            "/api/v1/namespaces/shop/pods?labelSelector=a%3Db%2Cc&limit=5");
}

TEST_F(Forwards, HandOnThatThereIsNoSuchObject) {
  script({{.bytes = http_answer(404, "{\"kind\":\"Status\"}")}});
  EXPECT_EQ(ask("/api/v1/namespaces/shop/pods/x").value().status, 404);
}

class ForwardsOnlyAnswers : public Forwards, public ::testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(Statuses, ForwardsOnlyAnswers, ::testing::Values(401, 403, 429, 500, 503));

TEST_P(ForwardsOnlyAnswers, NotWhatUpstreamSaysOfPodkeeperItself) {
  script({{.bytes = http_answer(GetParam(), "{}")}});
  EXPECT_FALSE(ask("/api/v1/pods").has_value());
}

TEST_F(Forwards, AreNoMoreThanTheirLimitAtATime) {
  script({}, {.inflight_max = 2});
  const auto first = start("/api/v1/pods");
  const auto second = start("/api/v1/pods");
  world_.run_for(1s);
  EXPECT_EQ(ask("/api/v1/pods").error().code, ErrorCode::kTooManyRequests);
  world_.run_for(5s);
  ASSERT_TRUE(first->has_value() && second->has_value());
  EXPECT_EQ((*first)->error().code, ErrorCode::kTimeout) << "a silent upstream costs five seconds";
  EXPECT_EQ(ask("/api/v1/pods").error().code, ErrorCode::kTimeout) << "there is a place again";
}

}  // namespace
}  // namespace podkeeper::kubeapi
