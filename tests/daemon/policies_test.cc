#include "daemon/policies.h"

#include "pkg/telemetry/metric_names.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

#include "tests/integration/policy_cluster.h"

// The policies' own mirror, as the daemon runs it.
namespace podkeeper::daemon {
namespace {

using std::chrono::seconds;

/// A cluster without credentials runs no program.
class NoProcesses final : public base::Processes {
 public:
  base::Task<base::Result<base::ProgramEnd>> run(base::Program, base::MonotonicTime) override {
    co_return base::Error{base::ErrorCode::kUnavailable, "no programs here"};
  }
};

/// A replica's policies, over one store of pods that they govern.
class Governing {
 public:
  explicit Governing(PolicyCluster& cluster) : cluster_(cluster) {
    settings_.audit_interval = seconds(20);
    upstream_ =
        Upstream::make(cluster.world, processes_, metrics, settings_, cluster.endpoint).value();
    leading_ = Leading::make(cluster.world, metrics, settings_, upstream_->client(), "").value();
    policies_ = Policies::make(
                    cluster.world, metrics, settings_, *upstream_, authorizer_,
                    {&pods_.partitions()}, [](const auto&) {}, *leading_)
                    .value();
    if (!policies_->start(running_)) throw std::runtime_error("the policies did not start");
  }
  ~Governing() { cluster_.end(running_); }
  Governing(const Governing&) = delete;
  Governing& operator=(const Governing&) = delete;

  [[nodiscard]] bool governs(const std::string& policy) {
    return std::ranges::count(pods_.partitions().report(), policy,
                              &policy::PartitionReport::policy) > 0;
  }

  telemetry::Metrics metrics;

 private:
  PolicyCluster& cluster_;
  settings::Settings settings_;
  NoProcesses processes_;
  access::LoopbackAuthorizer authorizer_;
  runtime::TaskGroup running_{cluster_.world, cluster_.registry, "replica"};
  state::Store pods_{cluster_.world.clock(),
                     state::StoreOptions{.resource = kube::pods(), .map = {}, .log = {}}};
  std::unique_ptr<Upstream> upstream_;
  std::unique_ptr<Leading> leading_;
  std::unique_ptr<Policies> policies_;
};

TEST(Policies, OneThatTheWatchLeftOutIsAppliedAfterTheSelfAudit) {
  PolicyCluster cluster(/*validate=*/true, R"([{"when": {"verb": "watch",
    "resource": "concurrentmappolicies.podkeeper.dev"}, "do": {"drop": 1}}])");
  Governing replica(cluster);
  cluster.world.run_for(seconds(2));
  ASSERT_TRUE(cluster.create("batch", R"({"strategy":"Mutex","target":{"resources":["pods"]}})"));
  cluster.world.run_for(seconds(10));
  ASSERT_FALSE(replica.governs("batch")) << "its ADDED was lost";
  EXPECT_TRUE(cluster.world.run_until([&] { return replica.governs("batch"); }, seconds(15)));
  EXPECT_EQ(
      replica.metrics
          .counter(telemetry::kStoreAuditRepairs, {kube::concurrent_map_policies().plural_group()})
          .Value(),
      1);
}

}  // namespace
}  // namespace podkeeper::daemon
