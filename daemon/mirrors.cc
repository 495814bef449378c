#include "daemon/mirrors.h"

#include "pkg/base/panic.h"
#include "pkg/telemetry/metric_names.h"

#include <algorithm>

#include "daemon/truth.h"

namespace podkeeper::daemon {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

/// podkeeper_store_revision keeps what a double holds exactly, as client-go's revision metrics do.
constexpr std::uint64_t kRevisionDigits = 1'000'000'000'000'000;

std::string known_resources() {
  std::string names;
  for (const kube::Resource& r : kube::builtin_resources()) {
    names += (names.empty() ? "" : ", ") + r.plural_group();
  }
  return names;
}

}  // namespace

Mirrors::Mirrors(base::World& world, telemetry::Metrics& metrics,
                 const settings::Settings& settings, http::Client& client)
    : world_(world), metrics_(metrics), settings_(settings), client_(client) {}

Result<std::unique_ptr<Mirrors>> Mirrors::make(base::World& world, telemetry::Metrics& metrics,
                                               const settings::Settings& settings,
                                               http::Client& client) {
  std::unique_ptr<Mirrors> mirrors(new Mirrors(world, metrics, settings, client));
  for (const std::string& name : settings.resources) {
    const kube::Resource* resource = kube::find_resource(name);
    if (resource == nullptr) {
      return Error{
          ErrorCode::kInvalidArgument,
          "--resources: \"" + name + "\" is not known; this version mirrors " + known_resources()};
    }
    auto mirror = std::make_unique<Mirror>(
        world.clock(), state::StoreOptions{
                           .resource = *resource,
                           .map = {},
                           .log = {.bytes_max = static_cast<std::size_t>(settings.history_bytes)}});
    kube::ReflectorOptions options;
    options.resource = *resource;
    options.watch_idle_timeout = settings.watch_idle_timeout;
    options.watch_list = settings.watch_list_client;
    options.decode.drop_managed_fields = !settings.drop_fields.empty();
    mirror->reflector =
        std::make_shared<kube::Reflector>(world, mirrors->client_, metrics, mirror->store, options);
    mirrors->mirrors_.push_back(std::move(mirror));
  }
  return mirrors;
}

Result<void> Mirrors::start(runtime::TaskGroup& group, access::Authorizer& authorizer) {
  for (const auto& mirror : mirrors_) {
    const kube::Resource& resource = state::Reader(mirror->store).resource();
    const std::string name = resource.plural_group();
    auto allowed = authorizer.read("", {.plural_group = name, .namespace_ = ""});
    if (!allowed) return allowed.error();
    auto started = group.spawn("reflector " + name, base::Handler::kEvent,
                               [reflector = mirror->reflector] { return reflector->run(); });
    if (!started) return started;
    auto currency = start_truth({.world = world_,
                                 .client = client_,
                                 .metrics = metrics_,
                                 .settings = settings_,
                                 .resource = resource,
                                 .store = mirror->store,
                                 .reflector = mirror->reflector,
                                 .allowed = *std::move(allowed)},
                                group, group);
    if (!currency) return currency.error();
    mirror->currency = *std::move(currency);
  }
  return {};
}

std::vector<kubeapi::ServedResource> Mirrors::served() const {
  std::vector<kubeapi::ServedResource> served;
  for (const auto& mirror : mirrors_) {
    served.emplace_back(state::Reader(mirror->store)).currency = mirror->currency;
  }
  return served;
}

const Mirrors::Mirror& Mirrors::mirror(const kube::Resource& resource) const {
  for (const auto& mirror : mirrors_) {
    if (state::Reader(mirror->store).resource() == resource) return *mirror;
  }
  throw base::Panic(base::PanicKind::kInvariant, "no mirror of " + resource.plural_group());
}

state::Reader Mirrors::reader(const kube::Resource& resource) const {
  return state::Reader(mirror(resource).store);
}

std::shared_ptr<state::Currency> Mirrors::currency(const kube::Resource& resource) const {
  return mirror(resource).currency;
}

void Mirrors::set_policies(const std::vector<policy::Policy>& ranked) {
  for (const auto& mirror : mirrors_) {
    const std::string name = state::Reader(mirror->store).resource().plural_group();
    mirror->currency->set_rules(policy::read_rules(ranked, name));
  }
}

std::vector<state::Partitions*> Mirrors::maps() const {
  std::vector<state::Partitions*> maps;
  for (const auto& mirror : mirrors_) maps.push_back(&mirror->store.partitions());
  return maps;
}

Result<void> Mirrors::check_synced() const {
  for (const auto& mirror : mirrors_) {
    if (mirror->reflector->synced()) continue;
    return Error{ErrorCode::kUnavailable,
                 state::Reader(mirror->store).resource().plural_group() +
                     " not listed yet: " + mirror->reflector->last_error()};
  }
  return {};
}

Result<void> Mirrors::check_fresh(base::Duration limit) const {
  for (const auto& mirror : mirrors_) {
    const state::Reader reader(mirror->store);
    const auto freshness = reader.freshness();
    if (freshness.age <= limit) continue;
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(freshness.age).count();
    return Error{ErrorCode::kTimeout, reader.resource().plural_group() + " last confirmed " +
                                          std::to_string(age) +
                                          " s ago: " + mirror->reflector->last_error()};
  }
  return {};
}

void Mirrors::refresh_metrics() {
  for (const auto& mirror : mirrors_) refresh(*mirror);
}

void Mirrors::refresh(const Mirror& mirror) {
  const state::Reader reader(mirror.store);
  const std::string name = reader.resource().plural_group();
  const auto freshness = reader.freshness();
  const auto stats = mirror.store.stats();
  const auto gauge = [&](const telemetry::MetricDesc& desc, auto value) {
    metrics_.gauge(desc, {name}).Set(static_cast<double>(value));
  };
  gauge(telemetry::kStoreObjects, stats.objects);
  gauge(telemetry::kStoreBytes, stats.bytes);
  gauge(telemetry::kStoreRevision, freshness.revision.value % kRevisionDigits);
  gauge(telemetry::kStoreStaleness, std::chrono::duration<double>(freshness.age).count());
}

}  // namespace podkeeper::daemon
