#include "daemon/mirrors.h"

#include "pkg/base/panic.h"
#include "pkg/telemetry/metric_names.h"

#include <algorithm>

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

Mirrors::Mirrors(telemetry::Metrics& metrics, http::Client& client)
    : metrics_(metrics), client_(client) {}

Result<std::unique_ptr<Mirrors>> Mirrors::make(base::World& world, telemetry::Metrics& metrics,
                                               const settings::Settings& settings,
                                               http::Client& client) {
  std::unique_ptr<Mirrors> mirrors(new Mirrors(metrics, client));
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
        std::make_unique<kube::Reflector>(world, mirrors->client_, metrics, mirror->store, options);
    mirrors->mirrors_.push_back(std::move(mirror));
  }
  return mirrors;
}

Result<void> Mirrors::start(runtime::TaskGroup& group) {
  for (const auto& mirror : mirrors_) {
    kube::Reflector& reflector = *mirror->reflector;
    const std::string name = "reflector " + state::Reader(mirror->store).resource().plural_group();
    if (auto ok =
            group.spawn(name, base::Handler::kEvent, [&reflector] { return reflector.run(); });
        !ok)
      return ok;
  }
  return {};
}

std::vector<state::Reader> Mirrors::readers() const {
  std::vector<state::Reader> readers;
  for (const auto& mirror : mirrors_) readers.emplace_back(mirror->store);
  return readers;
}

state::Reader Mirrors::reader(const kube::Resource& resource) const {
  for (const auto& mirror : mirrors_) {
    const state::Reader reader(mirror->store);
    if (reader.resource() == resource) return reader;
  }
  throw base::Panic(base::PanicKind::kInvariant, "no mirror of " + resource.plural_group());
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
