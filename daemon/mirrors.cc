#include "daemon/mirrors.h"

#include "pkg/base/panic.h"
#include "pkg/kube/sensitive.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metric_names.h"

#include <algorithm>
#include <string>
#include <utility>

namespace podkeeper::daemon {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

/// podkeeper_store_revision keeps what a double holds exactly, as client-go's revision metrics do.
constexpr std::uint64_t kRevisionDigits = 1'000'000'000'000'000;

Error refuse(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

bool needs_no_discovery(const std::string& plural_group) {
  return plural_group == kube::pods().plural || plural_group == kube::nodes().plural;
}

bool allowed(const settings::Settings& settings, const std::string& plural_group) {
  return std::ranges::find(settings.allow_sensitive, plural_group) !=
         settings.allow_sensitive.end();
}

Result<void> check_allowed(const settings::Settings& settings) {
  for (const std::string& name : settings.allow_sensitive) {
    if (kube::is_sensitive(name)) continue;
    std::string known;
    for (const auto one : kube::sensitive_resources()) {
      known += (known.empty() ? "" : ", ") + std::string(one);
    }
    return refuse("--allow-sensitive: \"" + name + "\" is not one of those that take it: " + known);
  }
  return {};
}

}  // namespace

Result<std::vector<kube::ResourceName>> mirrored_names(const settings::Settings& settings) {
  if (auto ok = check_allowed(settings); !ok) return ok.error();
  std::vector<kube::ResourceName> names;
  for (const std::string& text : settings.resources) {
    auto name = kube::parse_resource_name(text);
    if (!name) return refuse("--resources: " + name.error().message);
    const std::string plural_group = name->plural_group();
    for (const auto& other : names) {
      if (other.plural_group() != plural_group) continue;
      return refuse("--resources: " + plural_group +
                    " comes twice; one version of a resource is mirrored");
    }
    if (kube::is_sensitive(plural_group) && !allowed(settings, plural_group)) {
      return refuse("--resources: the objects of " + plural_group +
                    " hold credentials; whoever may read from this replica could read them. Add "
                    "--allow-sensitive=" +
                    plural_group + " if that is meant");
    }
    names.push_back(*std::move(name));
  }
  return names;
}

Result<std::unique_ptr<Mirrors>> Mirrors::make(const MirrorServices& services) {
  auto names = mirrored_names(services.settings);
  if (!names) return std::move(names).error();
  std::unique_ptr<Mirrors> mirrors(new Mirrors(services.metrics));
  for (auto& name : *names) {
    if (kube::is_sensitive(name.plural_group())) {
      telemetry::log_warn("mirroring objects that hold credentials",
                          {{"resource", name.plural_group()}});
    }
    mirrors->mirrors_.push_back(std::make_unique<Mirror>(services, std::move(name)));
  }
  return mirrors;
}

Result<void> Mirrors::start() {
  for (const auto& mirror : mirrors_) {
    if (!needs_no_discovery(mirror->name().plural_group())) continue;
    if (auto ok = mirror->begin(kubeapi::ServedResource(mirror->reader())); !ok) return ok;
  }
  return {};
}

base::Task<void> Mirrors::shut_down() {
  for (const auto& mirror : mirrors_) {
    auto ending = mirror->end(/*forget=*/false);
    co_await std::move(ending);
  }
}

const Mirror& Mirrors::mirror(const kube::Resource& resource) const {
  for (const auto& mirror : mirrors_) {
    if (mirror->reader().resource() == resource) return *mirror;
  }
  throw base::Panic(base::PanicKind::kInvariant, "no mirror of " + resource.plural_group());
}

state::Reader Mirrors::reader(const kube::Resource& resource) const {
  return mirror(resource).reader();
}

std::shared_ptr<state::Currency> Mirrors::currency(const kube::Resource& resource) const {
  const auto served = mirror(resource).served();
  PK_CHECK(served.has_value(), "the mirror of " + resource.plural_group() + " was not started");
  return served->currency;
}

void Mirrors::set_policies(const std::vector<policy::Policy>& ranked) {
  for (const auto& mirror : mirrors_) {
    mirror->set_rules(policy::read_rules(ranked, mirror->name().plural_group()));
  }
}

std::vector<state::Partitions*> Mirrors::maps() const {
  std::vector<state::Partitions*> maps;
  for (const auto& mirror : mirrors_) maps.push_back(&mirror->store().partitions());
  return maps;
}

std::vector<Mirror*> Mirrors::discovered() const {
  std::vector<Mirror*> discovered;
  for (const auto& mirror : mirrors_) {
    if (!needs_no_discovery(mirror->name().plural_group())) discovered.push_back(mirror.get());
  }
  return discovered;
}

void Mirrors::serve_through(std::function<void(const Served&)> serve) {
  {
    base::Lock lock(mutex_);
    serve_ = std::move(serve);
  }
  changed();
}

void Mirrors::changed() {
  std::function<void(const Served&)> serve;
  Served served;
  {
    base::Lock lock(mutex_);
    serve = serve_;
    served.generation = ++generation_;
  }
  if (!serve) return;
  for (const auto& mirror : mirrors_) {
    if (auto one = mirror->served()) served.resources.push_back(*std::move(one));
  }
  serve(served);
}

Result<void> Mirrors::check_offered() const {
  for (const auto& mirror : mirrors_) {
    if (mirror->was_offered()) continue;
    return Error{ErrorCode::kUnavailable,
                 mirror->name().plural_group() + " is not served: " + mirror->problem()};
  }
  return {};
}

Result<void> Mirrors::check_synced() const {
  for (const auto& mirror : mirrors_) {
    if (!mirror->served() || mirror->reader().freshness().synced) continue;
    return Error{ErrorCode::kUnavailable,
                 mirror->name().plural_group() + " not listed yet: " + mirror->last_error()};
  }
  return {};
}

Result<void> Mirrors::check_fresh(base::Duration limit) const {
  for (const auto& mirror : mirrors_) {
    const auto freshness = mirror->reader().freshness();
    if (!mirror->served() || freshness.age <= limit) continue;
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(freshness.age).count();
    return Error{ErrorCode::kTimeout, mirror->name().plural_group() + " last confirmed " +
                                          std::to_string(age) + " s ago: " + mirror->last_error()};
  }
  return {};
}

void Mirrors::refresh_metrics() {
  for (const auto& mirror : mirrors_) {
    metrics_.gauge(telemetry::kResourceOffered, {mirror->name().plural_group()})
        .Set(mirror->served() ? 1 : 0);
    refresh(*mirror);
  }
}

void Mirrors::refresh(Mirror& mirror) {
  const std::string name = mirror.name().plural_group();
  const auto freshness = mirror.reader().freshness();
  const auto stats = mirror.store().stats();
  const auto gauge = [&](const telemetry::MetricDesc& desc, auto value) {
    metrics_.gauge(desc, {name}).Set(static_cast<double>(value));
  };
  gauge(telemetry::kStoreObjects, stats.objects);
  gauge(telemetry::kStoreBytes, stats.bytes);
  gauge(telemetry::kStoreRevision, freshness.revision.value % kRevisionDigits);
  // What upstream does not offer cannot grow stale.
  const auto age = mirror.served() ? freshness.age : base::Duration{};
  gauge(telemetry::kStoreStaleness, std::chrono::duration<double>(age).count());
}

}  // namespace podkeeper::daemon
