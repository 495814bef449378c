// How definitions of custom resources come, change and go, and what is offered because of them.
#include "pkg/simkube/cluster_state.h"
#include "pkg/simkube/faults.h"
#include "pkg/simkube/rules.h"
#include "pkg/simkube/stored_resources.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace podkeeper::simkube {
namespace {

/// Custom resources change seldom.
constexpr std::size_t kHistoryEvents = 1 << 12;

}  // namespace

Cluster::Offer Cluster::offer() const {
  base::Lock lock(state_->mutex);
  Offer offer;
  offer.generation = state_->generation;
  for (const auto& slot : state_->slots) {
    if (slot->retired) continue;
    kubeapi::ServedResource served(slot->reader);
    if (!slot->definition) {
      served.has_status = slot->has_status(served.resource);
      if (const auto* stored = find_stored(served.resource)) served.columns = stored->columns;
      offer.served.push_back(std::move(served));
      continue;
    }
    offer.definitions.push_back(slot->definition);
    for (const auto& version : slot->definition->versions) {
      if (!version.served) continue;
      served.resource = version.resource;
      served.has_status = version.has_status;
      served.columns = version.columns;
      served.definition = slot->defined;
      offer.served.push_back(served);
    }
  }
  return offer;
}

WriteResult Cluster::define(Json definition) {
  return create(kube::custom_resource_definitions(), "", std::move(definition), {});
}

Cluster::State::Slot* Cluster::State::slot_of_definition(std::string_view name) const {
  for (const auto& one : slots) {
    if (!one->retired && one->definition && one->definition->name == name) return one.get();
  }
  return nullptr;
}

std::expected<void, kube::Status> Cluster::State::check_definition(const Json& object) const {
  const auto definition = read_definition(object);
  if (!definition) return std::unexpected(definition.error());
  const auto& wanted = (*definition)->storage().resource;
  std::vector<Fault> faults;
  if (const auto* const held = slot_of_definition((*definition)->name)) {
    faults = check_change(*held->definition, **definition);
  } else {
    const auto in_group = [&](const auto& one) {
      return !one->definition && !one->retired && one->reader.resource().group == wanted.group;
    };
    if (std::ranges::any_of(slots, in_group))
      faults.push_back(invalid_value("spec.group", wanted.group, "is built in"));
    const auto definitions = std::ranges::count_if(
        slots, [](const auto& one) { return static_cast<bool>(one->definition); });
    if (static_cast<std::size_t>(definitions) >= kDefinitionsMax) {
      faults.push_back(forbidden("metadata.name", "too many definitions were made here"));
    }
  }
  if (faults.empty()) return {};
  return std::unexpected(invalid(kube::custom_resource_definitions(), (*definition)->name, faults));
}

void Cluster::State::establish(Slot& definitions, Json object) {
  const auto definition = read_definition(object).value();
  const auto& stored = definition->storage().resource;
  // What was defined before under the same names is taken up again: its readers are still there.
  const auto again = std::ranges::find_if(slots, [&](const auto& one) {
    const auto& own = one->reader.resource();
    return one->retired && own == stored && own.kind == stored.kind &&
           own.namespaced == stored.namespaced;
  });
  auto log = config.log;
  log.events_max = std::min(log.events_max, kHistoryEvents);
  auto& into = again != slots.end() ? **again : add_slot(stored, log);
  into.definition = definition;
  into.defined = ++generation;
  into.retired = false;
  object["status"] = established_status(object, format_now(world.clock().wall_now()));
  (void)put(definitions, kube::EventType::kModified, std::move(object));
}

void Cluster::State::redefine(const Json& object) {
  const auto definition = read_definition(object).value();
  auto* const held = slot_of_definition(definition->name);
  if (held == nullptr) return;
  held->definition = definition;
  held->defined = ++generation;
}

void Cluster::State::undefine(const std::string& name) {
  auto* const held = slot_of_definition(name);
  if (held == nullptr) return;
  for (const auto& key : held->keys("")) {
    if (auto object = held->read(key)) {
      (void)put(*held, kube::EventType::kDeleted, std::move(*object));
    }
  }
  held->retired = true;
  ++generation;
}

}  // namespace podkeeper::simkube
