#include "pkg/http/client.h"
#include "pkg/kube/metadata_client.h"
#include "pkg/kube/reflector.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/simkube/simkube.h"
#include "pkg/state/currency.h"
#include "pkg/state/self_audit.h"
#include "pkg/state/store.h"
#include "pkg/telemetry/metric_names.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace podkeeper {
namespace {

using namespace std::chrono_literals;
using simkube::Json;
using Content = std::map<std::string, std::string>;

constexpr auto kInterval = 60s;

access::AuthorizedRead allowed(const std::string& plural_group) {
  access::LoopbackAuthorizer authorizer;
  return authorizer.read("", {plural_group, ""}).value();
}

Content content_of(const state::Reader& reader) {
  Content content;
  const auto list = reader.list(allowed(reader.resource().plural_group()), {}).value();
  for (const auto& record : list.records) {
    content[record->object().key_text] = record->object().body;
  }
  return content;
}

/// A mirror of simkube's pods with all that keeps it honest, in one simulated world.
class Honest {
 public:
  explicit Honest(std::uint64_t seed, simkube::SimKubeOptions options = quiet(),
                  base::Duration interval = kInterval)
      : world(seed) {
    options.seed = seed;
    cluster = std::make_unique<simkube::SimKube>(world, serving, metrics, std::move(options));
    const auto bound = cluster->start();
    if (!bound) throw std::runtime_error(bound.error().message);
    client = std::make_unique<http::Client>(
        world, metrics, http::ClientOptions{.endpoint = *bound, .user_agent = "test"});
    reflector = std::make_shared<kube::Reflector>(
        world, *client, metrics, mirror,
        kube::ReflectorOptions{.resource = kube::pods(), .page_size = 20});
    const auto upstream = std::make_shared<kube::MetadataClient>(*client, kube::pods());
    currency = std::make_shared<state::Currency>(world, mirroring, metrics, mirror, upstream);
    audit = std::make_unique<state::SelfAudit>(world, metrics, mirror, allowed("pods"), currency,
                                               upstream, reflector,
                                               state::SelfAuditOptions{.interval = interval});
    run("reflector", [this] { return reflector->run(); });
    run("self-audit", [this] { return audit->run(); });
  }
  ~Honest() {
    for (auto* group : {&mirroring, &serving}) {
      group->stop();
      world.run_task([group]() -> base::Task<void> {
        auto joined = group->join();
        co_await std::move(joined);
      });
    }
  }
  static simkube::SimKubeOptions quiet() {
    simkube::SimKubeOptions options;
    options.nodes = 4;
    options.pods = 40;
    options.churn = 0;
    return options;
  }
  void run(const char* name, std::function<base::Task<void>()> task) {
    EXPECT_TRUE(mirroring.spawn(name, base::Handler::kEvent, std::move(task)));
  }
  [[nodiscard]] bool equal() const {
    return content_of(state::Reader(mirror)) == content_of(cluster->cluster().reader(kube::pods()));
  }
  [[nodiscard]] double count(const telemetry::MetricDesc& desc) {
    return metrics.counter(desc, {"pods"}).Value();
  }
  /// Changes a pod upstream, in a way that nothing else does.
  void write(int number) {
    auto& pods = cluster->cluster();
    const auto key = pods.keys(kube::pods(), "").at(0);
    const auto patch = Json{{"metadata", {{"annotations", {{"n", std::to_string(number)}}}}}};
    const auto written = pods.patch(kube::pods(), key, patch, false, {});
    ASSERT_TRUE(written.has_value()) << written.error().message;
  }
  std::optional<state::Currency::Met> meet(state::ReadDemand demand) {
    std::optional<state::Currency::Met> met;
    world.run_task([&]() -> base::Task<void> {
      auto meeting = currency->meet(demand);
      met = co_await std::move(meeting);
    });
    return met;
  }

  runtime::SimulatedWorld world;
  runtime::TaskRegistry registry{world.clock()};
  telemetry::Metrics metrics;
  runtime::TaskGroup serving{world, registry, "serving"};
  runtime::TaskGroup mirroring{world, registry, "mirroring"};
  std::unique_ptr<simkube::SimKube> cluster;
  std::unique_ptr<http::Client> client;
  state::Store mirror{world.clock(), {.resource = kube::pods(), .map = {}, .log = {}}};
  std::shared_ptr<kube::Reflector> reflector;
  std::shared_ptr<state::Currency> currency;
  std::unique_ptr<state::SelfAudit> audit;
};

/// Loses a change of a pod on its way to the mirror.
void lose_a_change(Honest& honest) {
  honest.cluster->lose_next_event();
  honest.write(1);
  ASSERT_TRUE(honest.world.run_until([&] { return honest.cluster->lost_event(); }, 20s));
}

TEST(SelfAudit, FindsAndRepairsALostEventWithinOneInterval) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    Honest honest(seed);
    honest.world.run_for(30s);
    ASSERT_TRUE(honest.equal());
    lose_a_change(honest);
    honest.world.run_for(5s);
    EXPECT_FALSE(honest.equal()) << "seed " << seed;
    honest.world.run_for(kInterval);
    EXPECT_TRUE(honest.equal()) << "seed " << seed;
    EXPECT_EQ(honest.count(telemetry::kStoreAuditDivergent), 1) << "seed " << seed;
    honest.world.run_for(90s);
    EXPECT_EQ(honest.count(telemetry::kStoreAuditRepairs), 1) << "seed " << seed;
  }
}

TEST(SelfAudit, FindsAndRepairsALostEventAmongOthers) {
  double repairs = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    auto options = Honest::quiet();
    options.churn = 20;
    Honest honest(seed, options, 10s);
    honest.world.run_for(10s);
    lose_a_change(honest);
    honest.cluster->set_churn(0);
    honest.world.run_for(40s);
    EXPECT_TRUE(honest.equal()) << "seed " << seed;
    EXPECT_LE(honest.count(telemetry::kStoreAuditRepairs), 1) << "seed " << seed;
    repairs += honest.count(telemetry::kStoreAuditRepairs);
  }
  EXPECT_GT(repairs, 0) << "a later change of the same pod heals some, but not all";
}

TEST(SelfAudit, RaisesNoFalseAlarmUnderHeavyChurn) {
  double runs = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    auto options = Honest::quiet();
    options.churn = 60;
    if (seed % 3 == 0) options.cut_every = 2s;
    Honest honest(seed, options, 2s);
    honest.world.run_for(12s);
    EXPECT_EQ(honest.count(telemetry::kStoreAuditDivergent), 0) << "seed " << seed;
    runs += honest.count(telemetry::kStoreAuditRuns);
  }
  EXPECT_GT(runs, 12) << "an audit that compares nothing raises no alarm either";
}

TEST(SelfAudit, SaysNothingWhileTheMirrorIsNotInStep) {
  Honest honest(1, Honest::quiet(), 10s);
  honest.world.run_for(5s);
  const auto runs = honest.count(telemetry::kStoreAuditRuns);
  honest.cluster->freeze_connections();
  honest.world.run_for(5s);
  EXPECT_EQ(honest.count(telemetry::kStoreAuditRuns), runs);
}

TEST(FrozenWatch, IsStartedAnewAfterNinetySecondsAndMissesNothing) {
  Honest honest(1, Honest::quiet(), 1h);
  honest.world.run_for(5s);
  EXPECT_GE(honest.cluster->freeze_connections(), 1);
  honest.write(1);
  honest.world.run_for(85s);
  EXPECT_FALSE(honest.equal()) << "a half-open connection tells nothing";
  EXPECT_GE(state::Reader(honest.mirror).freshness().age, 85s);
  honest.world.run_for(10s);
  EXPECT_TRUE(honest.equal());
  EXPECT_TRUE(honest.reflector->watching());
}

TEST(Currency, LinearizableReadsSeeEachWriteAtOnceThroughARealUpstream) {
  Honest honest(1);
  honest.world.run_for(5s);
  for (int i = 0; i < 50; ++i) {
    honest.write(i);
    const auto met = honest.meet({.consistency = state::Consistency::kLinearizable});
    ASSERT_TRUE(met->has_value()) << met->error().error.message;
    ASSERT_TRUE(honest.equal()) << i;
  }
  EXPECT_LE(honest.metrics.counter(telemetry::kConsistencyProbes, {"pods", "success"}).Value(), 50);
}

TEST(Currency, ProvesAQuietResourceInABusyCluster) {
  Honest honest(1);
  honest.world.run_for(5s);
  // Another resource lifts the cluster's revision; the pods' watch says nothing of it for a minute.
  auto& cluster = honest.cluster->cluster();
  const auto made =
      cluster.create(kube::namespaces(), "", Json::parse(R"({"metadata":{"name":"another"}})"), {});
  ASSERT_TRUE(made.has_value());
  honest.world.run_for(1s);
  const auto revision = cluster.revision();
  ASSERT_LT(state::Reader(honest.mirror).freshness().revision, revision);
  const auto before = honest.world.clock().now();
  const auto met = honest.meet({.consistency = state::Consistency::kLinearizable});
  ASSERT_TRUE(met->has_value()) << met->error().error.message;
  EXPECT_GE(state::Reader(honest.mirror).freshness().revision, revision);
  EXPECT_LT(honest.world.clock().now() - before, 2s);
}

}  // namespace
}  // namespace podkeeper
