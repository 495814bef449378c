#include "daemon/leading.h"

#include "pkg/kube/object.h"
#include "pkg/runtime/wakeup.h"
#include "pkg/telemetry/log.h"

#include <utility>

#include "daemon/instance.h"

namespace podkeeper::daemon {
namespace {

/// As Kubernetes' own components have it (HealthzAdaptor, 20 s).
constexpr base::Duration kExpiredTolerance = std::chrono::seconds(20);
/// An Event is news: it must not hold the end of the process up.
constexpr base::Duration kNewsTimeout = std::chrono::seconds(2);

}  // namespace

/// Two tries have time within the renew deadline, as controller-runtime has it.
Leading::Election::Election(base::World& world, telemetry::Metrics& metrics, http::Client& client,
                            kube::ObjectKey lease, leader::ElectionOptions options)
    : clock_(world.clock()),
      subject_{.resource = leader::leases(),
               .namespace_ = lease.namespace_,
               .name = lease.name,
               .uid = {},
               .revision = {}},
      identity_(options.identity),
      objects_(world, client, kube::ObjectClientOptions{.timeout = options.renew_deadline / 2}),
      lock_(objects_, std::move(lease)),
      elector_(world, metrics, lock_, std::move(options)),
      news_client_(world, client, kube::ObjectClientOptions{.timeout = kNewsTimeout}),
      news_(clock_, news_client_, instance_name()) {}

base::Result<void> Leading::Election::start(runtime::TaskGroup& group) {
  auto telling = group.spawn("leader election/events", base::Handler::kEvent,
                             [this] { return tell_of_changes(); });
  if (!telling) return telling;
  return group.spawn("leader election", base::Handler::kTimer, [this] { return elector_.run(); });
}

base::Task<void> Leading::Election::tell_of_changes() {
  runtime::Wakeup wakeup(clock_);
  const auto subscription = elector_.subscribe(wakeup);
  while (true) {
    auto telling = tell(elector_.leads());
    co_await std::move(telling);
    auto changed = wakeup.wait();
    co_await std::move(changed);
  }
}

base::Task<void> Leading::Election::tell(bool leads) {
  if (std::exchange(told_, leads) == leads) co_return;
  if (leads) {
    auto looking = look_at_lease();
    co_await std::move(looking);
  }
  auto recording =
      news_.record(subject_, {.action = "Elect",
                              .reason = "LeaderElection",
                              .note = identity_ + (leads ? " became leader" : " stopped leading")});
  co_await std::move(recording);
}

base::Task<void> Leading::Election::look_at_lease() {
  auto getting = news_client_.get(leader::leases(), {subject_.namespace_, subject_.name});
  const auto lease = co_await std::move(getting);
  if (!lease) {
    telemetry::log_debug("lease_not_read_for_its_event", {{"err", lease.error()}});
    co_return;
  }
  const auto object = kube::decode_object(leader::leases(), *lease);
  if (!object) co_return;
  subject_.uid = (*object)->uid;
  subject_.revision = (*object)->revision;
}

base::Task<void> Leading::Election::release() {
  auto releasing = elector_.release();
  co_await std::move(releasing);
  auto telling = tell(false);
  co_await std::move(telling);
}

Leading::Leading(base::World& world, http::Client& client, std::unique_ptr<Election> election)
    : election_(std::move(election)),
      client_(world, client,
              kube::ObjectClientOptions{.write_until = leader::until_of(leadership())}) {}

base::Result<std::unique_ptr<Leading>> Leading::make(base::World& world,
                                                     telemetry::Metrics& metrics,
                                                     const settings::Settings& settings,
                                                     http::Client& client,
                                                     const std::string& own_namespace) {
  const auto leading = [&](std::unique_ptr<Election> election) {
    return std::unique_ptr<Leading>(new Leading(world, client, std::move(election)));
  };
  if (!settings.leader_elect) return leading(nullptr);
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
  return leading(
      std::make_unique<Election>(world, metrics, client, std::move(lease), std::move(options)));
}

base::Result<void> Leading::start(runtime::TaskGroup& group) {
  if (!election_) return {};
  return election_->start(group);
}

base::Task<void> Leading::release() {
  if (!election_) co_return;
  auto releasing = election_->release();
  co_await std::move(releasing);
}

leader::Leadership& Leading::leadership() noexcept {
  if (election_) return election_->elector();
  return alone_;
}

base::Result<void> Leading::check() const {
  if (!election_) return {};
  return election_->elector().check(kExpiredTolerance);
}

}  // namespace podkeeper::daemon
