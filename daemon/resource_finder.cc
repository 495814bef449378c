#include "daemon/resource_finder.h"

#include "pkg/kube/resource_name.h"
#include "pkg/telemetry/log.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace podkeeper::daemon {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;
using base::Task;

/// Start-up waits for one round: an upstream that does not answer must not hold it up for long.
constexpr base::Duration kDiscoveryTimeout = std::chrono::seconds(5);

/// Remembers why a mirror is not there, and says it once.
void note(Mirror& mirror, const Error& why) {
  if (mirror.problem() == why.message) return;
  mirror.set_problem(why.message);
  telemetry::log_warn("resource not served, looking for it again",
                      {{"resource", mirror.name().plural_group()}, {"err", why}});
}

/// The resource as upstream offers it now: in the version that is followed, if that is still there.
Result<kube::OfferedResource> find(const kube::Offered& offered, const Mirror& mirror) {
  kube::ResourceName name = mirror.name();
  if (const auto served = mirror.served(); served && name.version.empty()) {
    name.version = served->resource.version;
    if (auto same = kube::find_offered(offered, name)) return same;
  }
  return kube::find_offered(offered, mirror.name());
}

bool same(const kube::Resource& a, const kube::Resource& b) {
  return a == b && a.kind == b.kind && a.namespaced == b.namespaced;
}

/// Only a custom resource's group has to be a domain.
bool may_be_custom(const kube::Resource& resource) { return resource.group.contains('.'); }

bool has_columns_of_its_own(const kube::Resource& resource) {
  return resource == kube::events() || resource == kube::events_v1();
}

}  // namespace

ResourceFinder::ResourceFinder(base::World& world, http::Client& client, Mirrors& mirrors)
    : world_(world),
      mirrors_(mirrors),
      discovery_(world, client, {.timeout = kDiscoveryTimeout}),
      objects_(world, client, {.timeout = kDiscoveryTimeout}) {}

Task<Result<void>> ResourceFinder::find() {
  auto discovering = discovery_.discover();
  const auto offered = co_await std::move(discovering);
  Result<void> refused;
  bool changed = false;
  for (Mirror* const mirror : mirrors_.discovered()) {
    if (!offered) {
      if (!mirror->served()) note(*mirror, offered.error());
      continue;
    }
    auto found = daemon::find(*offered, *mirror);
    if (found) {
      auto following = follow(*mirror, *std::move(found));
      changed |= co_await std::move(following);
      continue;
    }
    if (refused && found.error().code == ErrorCode::kInvalidArgument) refused = found.error();
    auto losing = lose(*mirror, std::move(found).error());
    changed |= co_await std::move(losing);
  }
  if (changed) mirrors_.changed();
  co_return refused;
}

Task<bool> ResourceFinder::follow(Mirror& mirror, kube::OfferedResource found) {
  absences_.erase(&mirror);
  const auto served = mirror.served();
  if (served && same(served->resource, found.resource)) co_return false;
  // Objects of another version are other objects, though their revisions are the same.
  auto ending = mirror.end(/*forget=*/true);
  co_await std::move(ending);
  telemetry::log_info("resource found", {{"resource", mirror.name().plural_group()},
                                         {"version", found.resource.version}});
  auto looking = look_of(mirror, std::move(found));
  auto look = co_await std::move(looking);
  const auto began = mirror.begin(std::move(look));
  if (began) co_return true;
  auto undoing = mirror.end(/*forget=*/false);
  co_await std::move(undoing);
  note(mirror, began.error());
  co_return served.has_value();
}

Task<bool> ResourceFinder::lose(Mirror& mirror, Error why) {
  const bool served = mirror.served().has_value();
  if (served) {
    if (why.code == ErrorCode::kUnavailable || mirror.watching()) co_return false;
    if (++absences_[&mirror] < kAbsencesMax) co_return false;
    auto ending = mirror.end(/*forget=*/true);
    co_await std::move(ending);
  }
  note(mirror, why);
  co_return served;
}

Task<kubeapi::ServedResource> ResourceFinder::look_of(const Mirror& mirror,
                                                      kube::OfferedResource found) {
  kubeapi::ServedResource look(mirror.reader());
  look.resource = std::move(found.resource);
  look.has_status = found.has_subresource("status");
  look.definition = ++looks_;
  if (const auto* known = kube::find_resource(mirror.name().plural_group());
      known != nullptr && *known == look.resource) {
    look.resource.selectable_fields = known->selectable_fields;
  }
  if (has_columns_of_its_own(look.resource)) co_return look;
  look.columns = {kubeapi::age_column()};
  if (!may_be_custom(look.resource)) co_return look;
  auto reading = custom_look(look.resource);
  auto custom = co_await std::move(reading);
  if (custom) {
    look.columns = std::move(custom->columns);
    look.resource.selectable_fields = std::move(custom->selectable_fields);
  } else if (custom.error().code != ErrorCode::kNotFound) {
    // Not every group that is a domain is a custom one.
    telemetry::log_info("columns of a resource are not known, showing its age",
                        {{"resource", mirror.name().plural_group()}, {"err", custom.error()}});
  }
  co_return look;
}

Task<Result<kubeapi::CustomLook>> ResourceFinder::custom_look(kube::Resource resource) {
  auto getting = objects_.get(kube::custom_resource_definitions(),
                              {.namespace_ = "", .name = resource.plural_group()});
  const auto definition = co_await std::move(getting);
  if (!definition) co_return definition.error();
  co_return kubeapi::read_custom_look(*definition, resource.version);
}

Task<void> ResourceFinder::look_again() {
  bool changed = false;
  for (Mirror* const mirror : mirrors_.discovered()) {
    const auto served = mirror->served();
    if (!served || !may_be_custom(served->resource) || has_columns_of_its_own(served->resource)) {
      continue;
    }
    auto reading = custom_look(served->resource);
    auto now = co_await std::move(reading);
    // What cannot be read is shown as before.
    if (!now || (now->columns == served->columns &&
                 now->selectable_fields == served->resource.selectable_fields)) {
      continue;
    }
    mirror->show(std::move(now->columns), std::move(now->selectable_fields), ++looks_);
    changed = true;
  }
  if (changed) mirrors_.changed();
}

bool ResourceFinder::due() const {
  return std::ranges::any_of(mirrors_.discovered(),
                             [](const Mirror* mirror) { return !mirror->watching(); });
}

Task<void> ResourceFinder::run() {
  auto look_at = world_.clock().now() + kLookEvery;
  while (true) {
    auto sleeping = world_.clock().sleep_for(kFindEvery);
    co_await std::move(sleeping);
    if (world_.clock().now() >= look_at) {
      look_at = world_.clock().now() + kLookEvery;
      auto looking = look_again();
      co_await std::move(looking);
    }
    if (!due()) continue;
    auto finding = find();
    // A name that is refused is told by the log, /readyz and a metric; the others are served.
    (void)co_await std::move(finding);
  }
}

}  // namespace podkeeper::daemon
