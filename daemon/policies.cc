#include "daemon/policies.h"

#include "pkg/runtime/wakeup.h"

#include <utility>

#include "daemon/instance.h"
#include "daemon/truth.h"

namespace podkeeper::daemon {
namespace {

/// A definition that is installed is noticed within this.
constexpr base::Duration kAbsentRetryMax = std::chrono::seconds(5);

kube::ReflectorOptions reflector_options(const settings::Settings& settings,
                                         kube::SharedDoubt& shared_doubt) {
  kube::ReflectorOptions options;
  options.shared_doubt = &shared_doubt;
  options.resource = kube::concurrent_map_policies();
  options.watch_idle_timeout = settings.watch_idle_timeout;
  options.watch_list = settings.watch_list_client;
  options.may_be_absent = true;
  options.backoff.max = kAbsentRetryMax;
  return options;
}

}  // namespace

Policies::Policies(base::World& world, telemetry::Metrics& metrics,
                   const settings::Settings& settings, Upstream& upstream, Leading& leading,
                   access::AuthorizedRead allowed)
    : world_(world),
      metrics_(metrics),
      settings_(settings),
      client_(upstream.client()),
      leading_(leading),
      allowed_(std::move(allowed)),
      objects_(world, client_),
      store_(
          world.clock(),
          state::StoreOptions{.resource = kube::concurrent_map_policies(), .map = {}, .log = {}}),
      reflector_(std::make_shared<kube::Reflector>(
          world, client_, metrics, store_, reflector_options(settings, upstream.shared_doubt()))) {}

base::Result<std::unique_ptr<Policies>> Policies::make(
    base::World& world, telemetry::Metrics& metrics, const settings::Settings& settings,
    Upstream& upstream, access::Authorizer& authorizer, const std::vector<state::Partitions*>& maps,
    InForce in_force, Leading& leading) {
  auto allowed = authorizer.read(
      "", {.plural_group = kube::concurrent_map_policies().plural_group(), .namespace_ = ""});
  if (!allowed) return allowed.error();
  std::unique_ptr<Policies> policies(
      new Policies(world, metrics, settings, upstream, leading, *std::move(allowed)));
  controllers::PolicyControllerOptions options;
  options.instance = instance_name();
  options.metrics = &metrics;
  options.built.audit = true;
  options.built.consistency = true;
  options.in_force = std::move(in_force);
  options.leads = [&leading] { return leading.leadership().leads(); };
  options.leaders_client = &leading.client();
  policies->controller_ = std::make_unique<controllers::PolicyController>(
      world, state::Reader(policies->store_), policies->allowed_, policies->objects_,
      std::vector<policy::PartitionedStore*>(maps.begin(), maps.end()), std::move(options));
  return policies;
}

base::Result<void> Policies::start(runtime::TaskGroup& group) {
  auto reflecting = group.spawn("reflector concurrentmappolicies.podkeeper.dev",
                                base::Handler::kEvent, [this] { return reflector_->run(); });
  if (!reflecting) return reflecting;
  // Nobody reads this mirror through the Currency; the audit does.
  auto currency = start_truth({.world = world_,
                               .client = client_,
                               .metrics = metrics_,
                               .settings = settings_,
                               .resource = kube::concurrent_map_policies(),
                               .store = store_,
                               .reflector = reflector_,
                               .allowed = allowed_},
                              group, group);
  if (!currency) return std::move(currency).error();
  auto following = group.spawn("policy/leadership", base::Handler::kEvent,
                               [this] { return follow_leadership(); });
  if (!following) return following;
  return controller_->start(group);
}

base::Task<void> Policies::follow_leadership() {
  runtime::Wakeup wakeup(world_.clock());
  const auto subscription = leading_.leadership().subscribe(wakeup);
  while (true) {
    auto changed = wakeup.wait();
    co_await std::move(changed);
    controller_->refresh_statuses();
  }
}

}  // namespace podkeeper::daemon
