#include "daemon/leading.h"

#include "pkg/runtime/simulated_world.h"
#include "pkg/simkube/simkube.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// The election as the daemon runs it, at the embedded cluster: what it tells, and who may write.
namespace podkeeper::daemon {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::EndsWith;

constexpr const char* kTime = "2026-01-01T00:00:00.000000Z";

/// A cluster, and one replica that may elect itself.
class Candidate {
 public:
  explicit Candidate(bool elect) {
    simkube::SimKubeOptions options;
    options.nodes = 1;
    options.pods = 1;
    options.churn = 0;
    cluster_ = std::make_unique<simkube::SimKube>(world, serving_, metrics_, std::move(options));
    client_ = std::make_unique<http::Client>(
        world, metrics_,
        http::ClientOptions{.endpoint = cluster_->start().value(), .user_agent = "test"});
    settings::Settings settings;
    settings.leader_elect = elect;
    leading = Leading::make(world, metrics_, settings, *client_, "default").value();
  }
  ~Candidate() {
    end(background_);
    end(serving_);
  }

  void start() { ASSERT_TRUE(leading->start(background_)); }
  /// As the daemon ends.
  void leave() {
    end(background_);
    world.run_task([this] { return leading->release(); });
  }
  base::Result<std::string> write() {
    base::Result<std::string> answer = std::string();
    world.run_task([&]() -> base::Task<void> {
      auto writing = leading->client().create(
          leader::leases(), "default",
          leader::new_lease({.namespace_ = "default", .name = "probe"}, {.holder = "probe",
                                                                         .duration_seconds = 1,
                                                                         .acquire_time = kTime,
                                                                         .renew_time = kTime}));
      answer = co_await std::move(writing);
    });
    return answer;
  }
  Json get(const std::string& target) {
    Json body;
    world.run_task([&]() -> base::Task<void> {
      http::ClientRequest request;
      request.target = target;
      auto sending = client_->send(std::move(request), world.clock().now() + 5s);
      auto response = co_await std::move(sending);
      auto reading = response->read_all(1 << 20);
      body = Json::parse(*co_await std::move(reading));
    });
    return body;
  }
  Json events() { return get("/apis/events.k8s.io/v1/namespaces/default/events")["items"]; }

  runtime::SimulatedWorld world{1};
  std::unique_ptr<Leading> leading;

 private:
  void end(runtime::TaskGroup& group) {
    group.stop();
    world.run_task([&group]() -> base::Task<void> {
      auto joined = group.join();
      co_await std::move(joined);
    });
  }

  runtime::TaskRegistry registry_{world.clock()};
  runtime::TaskGroup serving_{world, registry_, "cluster"};
  runtime::TaskGroup background_{world, registry_, "background"};
  telemetry::Metrics metrics_;
  std::unique_ptr<simkube::SimKube> cluster_;
  std::unique_ptr<http::Client> client_;
};

TEST(Leading, TellsWhoBeganAndStoppedToLeadByEventsAboutTheLease) {
  Candidate candidate(/*elect=*/true);
  candidate.start();
  candidate.world.run_for(5s);
  ASSERT_TRUE(candidate.leading->leadership().leads());
  candidate.leave();
  std::vector<std::string> notes;
  const std::string uid = candidate.get(
      "/apis/coordination.k8s.io/v1/namespaces/default/leases/podkeeper")["metadata"]["uid"];
  for (const Json& event : candidate.events()) {
    if (event["reason"] != "LeaderElection") continue;
    notes.push_back(event["note"]);
    EXPECT_EQ(event["regarding"]["kind"], "Lease");
    EXPECT_EQ(event["regarding"]["namespace"], "default");
    EXPECT_EQ(event["regarding"]["name"], "podkeeper");
    EXPECT_EQ(event["regarding"]["uid"], uid);
    EXPECT_EQ(event["type"], "Normal");
  }
  EXPECT_THAT(notes, ElementsAre(EndsWith(" became leader"), EndsWith(" stopped leading")));
}

TEST(Leading, WritesInItsTermOnly) {
  Candidate candidate(/*elect=*/true);
  EXPECT_EQ(candidate.write().error().code, base::ErrorCode::kUnavailable);
  candidate.start();
  candidate.world.run_for(5s);
  EXPECT_TRUE(candidate.write());
  candidate.leave();
  EXPECT_EQ(candidate.write().error().code, base::ErrorCode::kUnavailable);
}

TEST(Leading, WithoutAnElectionItWritesAndTellsNothing) {
  Candidate candidate(/*elect=*/false);
  candidate.start();
  EXPECT_TRUE(candidate.write());
  candidate.leave();
  for (const Json& event : candidate.events()) EXPECT_NE(event["reason"], "LeaderElection");
}

}  // namespace
}  // namespace podkeeper::daemon
