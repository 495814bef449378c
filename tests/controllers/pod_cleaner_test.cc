#include "pkg/controllers/pod_cleaner.h"

#include "pkg/telemetry/metric_names.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/controllers/api_server.h"
#include "tests/controllers/support.h"

// Which pods are deleted upstream, by whom, how fast, and what stands in the way.
namespace podkeeper::controllers {
namespace {

using namespace std::chrono_literals;
using kube::EventType;
using testing::ApiServer;
using testing::Json;
using testing::object;
using testing::Pod;

constexpr std::chrono::seconds kTtl = 1h;

/// Leads when a test says so.
class Switch final : public leader::Leadership {
 public:
  [[nodiscard]] std::optional<leader::Term> term() const override { return term_; }
  [[nodiscard]] runtime::WakeupList::Subscription subscribe(runtime::Wakeup& wakeup) override {
    return changes_.subscribe(wakeup);
  }
  void lead(std::optional<leader::Term> term) {
    term_ = term;
    changes_.notify_all();
  }

 private:
  std::optional<leader::Term> term_ = leader::Term{.until = base::MonotonicTime::max()};
  runtime::WakeupList changes_;
};

/// A mirror of pods, a server that holds pods and judges preconditions as Kubernetes does, and the
/// cleaner between them.
class Cleaning : public ApiServer {
 public:
  explicit Cleaning(bool dry_run = false)
      : ApiServer([this](const Asked& asked) { return answer(asked); }),
        store(world.clock(), {.resource = kube::pods(), .map = {}, .log = {.events_max = 1024}}),
        leaders_client(std::make_unique<kube::ObjectClient>(
            world, http_client(),
            kube::ObjectClientOptions{.write_until = leader::until_of(leads)})),
        cleaner(world.clock(), state::Reader(store), testing::allowed(), *leaders_client, leads,
                metrics, {.terminal_ttl = kTtl, .dry_run = dry_run}) {}
  ~Cleaning() { end(); }

  [[nodiscard]] kube::UnixSeconds now() {
    return std::chrono::floor<std::chrono::seconds>(world.clock().wall_now())
        .time_since_epoch()
        .count();
  }
  /// A pod that ended `ago`.
  Pod ended(const std::string& name, std::chrono::seconds ago,
            const std::string& phase = "Succeeded") {
    return {.phase = phase,
            .finished = 60,
            .name = name,
            .revision = ++revision,
            .created = now() - ago.count() - 60,
            .uid = "uid-of-" + name};
  }
  /// Puts the pods on the server, and into the mirror.
  void hold(const std::vector<Pod>& pods) {
    std::vector<std::unique_ptr<kube::Object>> objects;
    for (const Pod& pod : pods) {
      held[pod.name] = pod;
      objects.push_back(object(pod));
    }
    store.replace(std::move(objects), {++revision});
  }
  void start() { ASSERT_TRUE(cleaner.start(group)); }
  void sweep() {
    run([this] { return cleaner.sweep(); });
  }
  [[nodiscard]] double counted(const char* result) {
    return metrics.counter(telemetry::kPodCleanUps, {result}).Value();
  }
  [[nodiscard]] std::vector<std::string> left() const {
    std::vector<std::string> names;
    for (const auto& [name, pod] : held) names.push_back(name);
    return names;
  }

  std::uint64_t revision = 100;
  std::map<std::string, Pod> held;
  /// What the server says instead, where it says something.
  std::function<std::optional<http::Response>(const Asked&)> instead = [](const Asked&) {
    return std::optional<http::Response>();
  };
  Switch leads;
  state::Store store;
  std::unique_ptr<kube::ObjectClient> leaders_client;
  PodCleaner cleaner;

 private:
  http::Response answer(const Asked& asked) {
    if (auto other = instead(asked)) return *std::move(other);
    const auto at = held.find(asked.path.substr(asked.path.rfind('/') + 1));
    if (asked.method != "DELETE" || at == held.end()) return refusal(404, "NotFound", "not found");
    const Json& meant = asked.body["preconditions"];
    if (meant["uid"] != at->second.uid ||
        meant["resourceVersion"] != std::to_string(at->second.revision)) {
      return refusal(409, "Conflict", "the precondition does not hold");
    }
    if (asked.body.value("dryRun", Json::array()) != Json::array({"All"})) held.erase(at);
    return http::Response::json(200, R"({"kind":"Status","status":"Success"})");
  }
};

using Names = std::vector<std::string>;

TEST(PodCleaner, DeletesWhatEndedLongEnoughAgoAndNothingElse) {
  Cleaning api;
  Pod going = api.ended("going", 2h);
  going.deleted = 0;
  api.hold({api.ended("succeeded", 2h), api.ended("failed", 1h, "Failed"),
            api.ended("young", 59min), api.ended("running", 2h, "Running"), going});
  api.sweep();
  EXPECT_EQ(api.left(), (Names{"going", "running", "young"}));
  ASSERT_EQ(api.asked.size(), 2u);
  EXPECT_EQ(api.asked[0].path, "/api/v1/namespaces/d/pods/succeeded") << "the oldest comes first";
  EXPECT_EQ(api.asked[1].body, Json::parse(R"({"kind":"DeleteOptions","apiVersion":"v1",
                            "preconditions":{"uid":"uid-of-failed","resourceVersion":"103"}})"))
      << api.asked[1].body;
  EXPECT_EQ(api.counted("deleted"), 2);
}

TEST(PodCleaner, SweepsAgainAsPodsExpire) {
  Cleaning api;
  api.hold({api.ended("first", 1h), api.ended("second", 58min)});
  api.start();
  api.world.run_for(1s);
  EXPECT_EQ(api.left(), Names{"second"});
  api.world.run_for(119s);
  EXPECT_EQ(api.left(), Names{"second"});
  api.world.run_for(31s);
  EXPECT_EQ(api.left(), Names{});
}

TEST(PodCleaner, LeavesANewPodOfTheSameNameAndOneThatChanged) {
  Cleaning api;
  api.hold({api.ended("made-again", 2h), api.ended("changed", 2h), api.ended("gone", 2h)});
  // The mirror does not know yet.
  api.held["made-again"].uid = "another";
  api.held["changed"].revision += 1000;
  api.held.erase("gone");
  api.sweep();
  EXPECT_EQ(api.left(), (Names{"changed", "made-again"}));
  EXPECT_EQ(api.counted("conflict"), 2);
  EXPECT_EQ(api.counted("gone"), 1);
  EXPECT_EQ(api.counted("deleted"), 0);
}

TEST(PodCleaner, JudgesAPodAsItIsWhenItsTurnComes) {
  Cleaning api;
  Pod again = api.ended("b", 2h);
  api.hold({api.ended("a", 3h), again});
  again.phase = "Running";
  again.uid = "another";
  api.instead = [&](const ApiServer::Asked&) {
    api.held["b"] = again;
    again.revision = ++api.revision;
    api.store.apply(EventType::kModified, object(again));
    return std::optional<http::Response>();
  };
  api.sweep();
  EXPECT_EQ(api.asked.size(), 1u);
  EXPECT_EQ(api.left(), Names{"b"});
}

TEST(PodCleaner, IsTheLeadersAlone) {
  Cleaning api;
  api.hold({api.ended("a", 2h)});
  api.leads.lead(std::nullopt);
  api.start();
  api.world.run_for(10min);
  EXPECT_TRUE(api.asked.empty());
  api.leads.lead(leader::Term{.until = base::MonotonicTime::max()});
  api.world.run_for(1s);
  EXPECT_EQ(api.left(), Names{}) << "who begins to lead does not wait for the next sweep";
}

TEST(PodCleaner, EndsWithTheTermAmidASweep) {
  Cleaning api;
  std::vector<Pod> pods;
  for (int i = 0; i < 40; ++i) pods.push_back(api.ended("p" + std::to_string(i), 2h));
  api.hold(pods);
  api.instead = [&](const ApiServer::Asked&) {
    if (api.asked.size() == 15) api.leads.lead(std::nullopt);
    return std::optional<http::Response>();
  };
  api.start();
  api.world.run_for(10min);
  EXPECT_EQ(api.asked.size(), 15u);
  EXPECT_EQ(api.left().size(), 25u);
  EXPECT_EQ(api.counted("error"), 0) << "what was not sent is no failure";
}

TEST(PodCleaner, SendsNothingThatItsTermMayNotOutlive) {
  Cleaning api;
  api.hold({api.ended("a", 2h)});
  // The lead is lost between the look at it and the request.
  api.leads.lead(leader::Term{.until = api.world.clock().now()});
  api.sweep();
  EXPECT_EQ(api.left(), Names{"a"});
  EXPECT_TRUE(api.asked.empty());
}

TEST(PodCleaner, ADryRunAsksOnceAndDeletesNothing) {
  Cleaning api(/*dry_run=*/true);
  api.hold({api.ended("a", 2h), api.ended("b", 2h)});
  api.start();
  api.world.run_for(10min);
  EXPECT_EQ(api.left(), (Names{"a", "b"}));
  ASSERT_EQ(api.asked.size(), 2u);
  for (const auto& asked : api.asked) EXPECT_EQ(asked.body["dryRun"], Json::array({"All"}));
  EXPECT_EQ(api.counted("dry_run"), 2);
  EXPECT_EQ(api.counted("deleted"), 0);
}

TEST(PodCleaner, KeepsItsPace) {
  Cleaning api;
  std::vector<Pod> pods;
  for (int i = 0; i < 60; ++i) pods.push_back(api.ended("p" + std::to_string(i), 2h));
  api.hold(pods);
  const auto began = api.world.clock().now();
  api.sweep();
  ASSERT_EQ(api.asked.size(), 60u);
  for (int i = PodCleaner::kBurst; i < 60; ++i) {
    const int waits = i + 1 - static_cast<int>(PodCleaner::kBurst);
    EXPECT_GE(api.asked[static_cast<std::size_t>(i)].at, began + PodCleaner::kInterval * waits);
  }
  EXPECT_LE(api.world.clock().now() - began, PodCleaner::kInterval * 60);
}

TEST(PodCleaner, AMissingRightCostsLittleAndIsTriedAgain) {
  Cleaning api;
  std::vector<Pod> pods;
  for (int i = 0; i < 25; ++i) pods.push_back(api.ended("p" + std::to_string(i), 2h));
  api.hold(pods);
  bool allowed = false;
  api.instead = [&](const ApiServer::Asked&) -> std::optional<http::Response> {
    if (allowed) return std::nullopt;
    return ApiServer::refusal(403, "Forbidden", "pods is forbidden");
  };
  api.sweep();
  EXPECT_EQ(api.asked.size(), 10u);
  EXPECT_EQ(api.counted("forbidden"), 10);
  allowed = true;
  api.sweep();
  EXPECT_EQ(api.left(), Names{});
}

TEST(PodCleaner, PodsThatAWebhookProtectsHoldUpNoOther) {
  Cleaning api;
  std::vector<Pod> pods;
  for (int i = 0; i < 12; ++i) pods.push_back(api.ended("guarded" + std::to_string(i), 3h));
  pods.push_back(api.ended("plain", 2h));
  api.hold(pods);
  api.instead = [&](const ApiServer::Asked& asked) -> std::optional<http::Response> {
    if (!asked.path.contains("guarded")) return std::nullopt;
    return ApiServer::refusal(403, "Forbidden", "admission webhook \"keep\" denied the request");
  };
  api.sweep();
  EXPECT_TRUE(api.held.contains("plain"));
  api.sweep();
  EXPECT_FALSE(api.held.contains("plain"));
  EXPECT_EQ(api.left().size(), 12u);
}

}  // namespace
}  // namespace podkeeper::controllers
