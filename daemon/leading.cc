#include "daemon/leading.h"

#include <utility>

#include "daemon/instance.h"

namespace podkeeper::daemon {
namespace {

/// As Kubernetes' own components have it (HealthzAdaptor, 20 s).
constexpr base::Duration kExpiredTolerance = std::chrono::seconds(20);

}  // namespace

/// Two tries have time within the renew deadline, as controller-runtime has it.
Leading::Election::Election(base::World& world, telemetry::Metrics& metrics, http::Client& client,
                            kube::ObjectKey lease, leader::ElectionOptions options)
    : objects(world, client, kube::ObjectClientOptions{.timeout = options.renew_deadline / 2}),
      lock(objects, std::move(lease)),
      elector(world, metrics, lock, std::move(options)) {}

base::Result<std::unique_ptr<Leading>> Leading::make(base::World& world,
                                                     telemetry::Metrics& metrics,
                                                     const settings::Settings& settings,
                                                     http::Client& client,
                                                     const std::string& own_namespace) {
  std::unique_ptr<Leading> leading(new Leading());
  if (!settings.leader_elect) return leading;
  const std::string& given = settings.leader_elect_resource_namespace;
  kube::ObjectKey lease{.namespace_ = given.empty() ? own_namespace : given,
                        .name = settings.leader_elect_resource_name};
  if (lease.namespace_.empty()) {
    return base::Error{
        base::ErrorCode::kInvalidArgument,
        "--leader-elect needs a namespace for its Lease, and neither a pod's service "
        "account nor the kubeconfig's context has one; give "
        "--leader-elect-resource-namespace"};
  }
  leader::ElectionOptions options{
      .name = lease.name,
      .identity = leader::make_identity(instance_name(), world.random()),
      .lease_duration = settings.leader_elect_lease_duration,
      .renew_deadline = settings.leader_elect_renew_deadline,
      .retry_period = settings.leader_elect_retry_period};
  leading->election_ =
      std::make_unique<Election>(world, metrics, client, std::move(lease), std::move(options));
  return leading;
}

base::Result<void> Leading::start(runtime::TaskGroup& group) {
  if (!election_) return {};
  return group.spawn("leader election", base::Handler::kTimer,
                     [this] { return election_->elector.run(); });
}

base::Task<void> Leading::release() {
  if (!election_) co_return;
  auto releasing = election_->elector.release();
  co_await std::move(releasing);
}

leader::Leadership& Leading::leadership() noexcept {
  if (election_) return election_->elector;
  return alone_;
}

base::Result<void> Leading::check() const {
  if (!election_) return {};
  return election_->elector.check(kExpiredTolerance);
}

}  // namespace podkeeper::daemon
