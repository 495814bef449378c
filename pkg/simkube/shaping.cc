// What becomes of an object that a client sends before anything is decided: its members as its
// resource has them, and the rules it must keep.
#include "pkg/simkube/cluster_state.h"
#include "pkg/simkube/events.h"
#include "pkg/simkube/faults.h"
#include "pkg/simkube/rules.h"

#include <nlohmann/json.hpp>

#include <utility>

namespace podkeeper::simkube {
namespace {

/// Members of objects in alphabetical order at every depth, as upstream stores custom resources:
/// the same content is the same bytes, however it was sent.
Json sorted(const Json& value) { return Json(nlohmann::json(value)); }

void append(std::vector<std::string>& to, std::vector<std::string> more) {
  for (auto& one : more) to.push_back(std::move(one));
}

}  // namespace

std::vector<std::string> Cluster::State::shape(const Slot& into, const kube::Resource& resource,
                                               const Json& object, Json& shaped) const {
  std::vector<std::string> dropped;
  const auto metadata = object.find("metadata");
  if (metadata != object.end() && metadata->is_object()) {
    append(dropped, unknown_metadata(*metadata));
  }
  if (const auto* const version = into.custom(resource)) {
    Json content = sorted(object);
    if (config.validate_custom) {
      std::vector<std::string> unknown;
      prune(*version->schema, content, unknown);
      fill_defaults(*version->schema, content);
      append(dropped, std::move(unknown));
    }
    shaped = ordered_object(resource, {{"metadata", content.value("metadata", Json())}});
    for (auto& [key, member] : content.items()) {
      if (!shaped.contains(key)) shaped[key] = sorted(member);
    }
    return dropped;
  }
  if (is_event(resource)) {
    shaped = ordered_event(resource, object);
    return dropped;
  }
  append(dropped, unknown_members(resource, object));
  shaped = ordered_object(resource, object);
  if (resource == kube::custom_resource_definitions()) default_definition(shaped);
  return dropped;
}

std::expected<void, kube::Status> Cluster::State::check(const Slot& into,
                                                        const kube::Resource& resource,
                                                        const Json& object) const {
  const auto* const version = into.custom(resource);
  if (version == nullptr) {
    if (auto valid = validate(resource, object); !valid) return valid;
    if (is_event(resource)) return validate_event(resource, object);
    if (resource == kube::custom_resource_definitions()) return check_definition(object);
    return {};
  }
  auto faults = metadata_faults(resource, object);
  if (config.validate_custom) {
    for (auto& fault : check_schema(*version->schema, object)) faults.push_back(std::move(fault));
  }
  if (faults.empty()) return {};
  const auto name = text_of(object["metadata"], "name");
  return std::unexpected(invalid(resource, name, faults));
}

}  // namespace podkeeper::simkube
