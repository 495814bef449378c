#include "pkg/simkube/cluster.h"

#include "pkg/base/panic.h"
#include "pkg/kubeapi/errors.h"
#include "pkg/simkube/cluster_state.h"
#include "pkg/simkube/rules.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace podkeeper::simkube {
namespace {

/// Every member that upstream keeps from the object held, whatever a client sends.
constexpr std::array kOwned = {"name",
                               "generateName",
                               "namespace",
                               "uid",
                               "resourceVersion",
                               "generation",
                               "creationTimestamp",
                               "deletionTimestamp",
                               "deletionGracePeriodSeconds"};

std::string quality_of_service(const Json& pod) {
  if (!pod.contains("spec") || !pod["spec"].contains("containers")) return "BestEffort";
  for (const auto& container : pod["spec"]["containers"]) {
    if (!container.contains("resources")) continue;
    const auto& resources = container["resources"];
    if (resources.contains("requests") || resources.contains("limits")) return "Burstable";
  }
  return "BestEffort";
}

}  // namespace

std::string format_now(base::WallTime now) {
  return kube::format_time(
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
}

Cluster::Cluster(base::World& world, ClusterOptions options)
    : state_(std::make_unique<State>(world, std::move(options))) {
  base::Lock lock(state_->mutex);
  for (const auto& slot : state_->slots) slot->store.replace({}, state_->revision);
}

Cluster::~Cluster() = default;

std::vector<state::Reader> Cluster::readers() const {
  std::vector<state::Reader> readers;
  for (const auto& slot : state_->slots) readers.push_back(slot->reader);
  return readers;
}

state::Reader Cluster::reader(const kube::Resource& resource) const {
  return state_->slot(resource).reader;
}

kube::Revision Cluster::revision() const {
  base::Lock lock(state_->mutex);
  return state_->revision;
}

base::WallTime Cluster::wall_now() const { return state_->world.clock().wall_now(); }

void Cluster::load(const kube::Resource& resource,
                   std::vector<std::unique_ptr<kube::Object>> objects, kube::Revision revision) {
  base::Lock lock(state_->mutex);
  state_->revision = std::max(state_->revision, revision);
  state_->slot(resource).store.replace(std::move(objects), state_->revision);
}

void Cluster::populate(const kube::Resource& resource, std::vector<Json> objects) {
  base::Lock lock(state_->mutex);
  std::vector<std::unique_ptr<kube::Object>> decoded;
  decoded.reserve(objects.size());
  for (auto& object : objects) {
    state_->own_metadata(resource, object);
    object["metadata"]["resourceVersion"] = to_string(kube::Revision{++state_->revision.value});
    auto one = kube::decode_object(resource, body_text(object));
    PK_CHECK(one.has_value(), "a made-up object does not decode: " + one.error().message);
    decoded.push_back(std::move(*one));
  }
  state_->slot(resource).store.replace(std::move(decoded), state_->revision);
}

WriteResult Cluster::create(const kube::Resource& resource, std::string_view namespace_,
                            Json object, const WriteOptions& options) {
  object = ordered_object(resource, object);
  auto& metadata = object["metadata"];
  if (const auto given = text_of(metadata, "namespace"); !given.empty() && given != namespace_) {
    return refuse(kubeapi::bad_request(
        "the namespace of the provided object does not match the namespace sent on the request"));
  }
  if (resource.namespaced) metadata["namespace"] = namespace_;
  for (const char* key : {"uid", "resourceVersion", "generation", "creationTimestamp",
                          "deletionTimestamp", "deletionGracePeriodSeconds"}) {
    metadata.erase(key);
  }
  base::Lock lock(state_->mutex);
  auto& into = state_->slot(resource);
  if (const auto prefix = text_of(metadata, "generateName");
      text_of(metadata, "name").empty() && !prefix.empty()) {
    metadata["name"] = prefix + state_->suffix();
  }
  apply_defaults(resource, object);
  if (auto valid = validate(resource, object); !valid) return refuse(std::move(valid.error()));
  const auto name = text_of(metadata, "name");
  if (resource.namespaced) {
    const auto& spaces = state_->slot(kube::namespaces());
    if (!spaces.reader.get(spaces.allowed, {"", std::string(namespace_)}))
      return refuse(missing_namespace(namespace_));
  }
  if (into.reader.get(into.allowed, {std::string(namespace_), name}))
    return refuse(already_exists(resource, name));
  if (resource == kube::pods())
    object["status"] = {{"phase", "Pending"}, {"qosClass", quality_of_service(object)}};
  if (resource == kube::deployments()) object["status"] = Json::object();
  state_->own_metadata(resource, object);
  if (options.dry_run) return Written{body_text(object) + "\n"};
  return state_->put(into, kube::EventType::kAdded, std::move(object));
}

WriteResult Cluster::State::replace(Slot& into, const Json& current, Json next, bool status,
                                    const WriteOptions& options) {
  const auto& resource = into.reader.resource();
  const auto name = text_of(current["metadata"], "name");
  const auto wanted = text_of(next["metadata"], "resourceVersion");
  if (!wanted.empty() && wanted != text_of(current["metadata"], "resourceVersion")) {
    return refuse(conflict(resource, name));
  }
  const auto uid_wanted = text_of(next["metadata"], "uid");
  const auto uid_held = text_of(current["metadata"], "uid");
  if (!uid_wanted.empty() && uid_wanted != uid_held) {
    return refuse(precondition_failed(resource, name, "UID", uid_wanted, uid_held));
  }
  Json result;
  if (status) {
    result = current;
    if (next.contains("status")) result["status"] = std::move(next["status"]);
  } else {
    result = std::move(next);
    for (const char* key : kOwned) {
      result["metadata"].erase(key);
      if (current["metadata"].contains(key)) result["metadata"][key] = current["metadata"][key];
    }
    result["metadata"] = ordered_metadata(result["metadata"]);
    result.erase("status");
    if (current.contains("status")) result["status"] = current["status"];
    if (auto valid = validate(resource, result); !valid) return refuse(std::move(valid.error()));
    const bool changed = current.value("spec", Json()) != result.value("spec", Json());
    if (changed && has_generation(resource)) {
      result["metadata"]["generation"] = current["metadata"].value("generation", 0) + 1;
    }
  }
  if (result == current || options.dry_run) return Written{body_text(result) + "\n"};
  return put(into, kube::EventType::kModified, std::move(result));
}

WriteResult Cluster::update(const kube::Resource& resource, const kube::ObjectKey& key, Json object,
                            bool status, const WriteOptions& options) {
  object = ordered_object(resource, object);
  const auto& metadata = object["metadata"];
  if (const auto name = text_of(metadata, "name"); name != key.name) {
    return refuse(kubeapi::bad_request("the name of the object (" + name +
                                       ") does not match the name on the URL (" + key.name + ")"));
  }
  if (const auto given = text_of(metadata, "namespace");
      !given.empty() && given != key.namespace_) {
    return refuse(kubeapi::bad_request("the namespace of the object (" + given +
                                       ") does not match the namespace on the URL (" +
                                       key.namespace_ + ")"));
  }
  base::Lock lock(state_->mutex);
  auto& into = state_->slot(resource);
  const auto current = state_->read(into, key);
  if (!current) return refuse(kubeapi::not_found(resource, key.name));
  return state_->replace(into, *current, std::move(object), status, options);
}

WriteResult Cluster::merge_patch(const kube::Resource& resource, const kube::ObjectKey& key,
                                 const Json& patch, bool status, const WriteOptions& options) {
  base::Lock lock(state_->mutex);
  auto& into = state_->slot(resource);
  const auto current = state_->read(into, key);
  if (!current) return refuse(kubeapi::not_found(resource, key.name));
  Json next = *current;
  next.merge_patch(patch);
  if (!next.is_object() || !next.contains("metadata") || !next["metadata"].is_object()) {
    return refuse(kubeapi::bad_request("the patch leaves no object with metadata"));
  }
  if (text_of(next["metadata"], "name") != key.name) {
    return refuse(kubeapi::bad_request("the name of the object (" +
                                       text_of(next["metadata"], "name") +
                                       ") does not match the name on the URL (" + key.name + ")"));
  }
  auto ordered = ordered_object(resource, next);
  return state_->replace(into, *current, std::move(ordered), status, options);
}

bool Cluster::edit(const kube::Resource& resource, const kube::ObjectKey& key, std::string_view uid,
                   const std::function<bool(Json&)>& change) {
  base::Lock lock(state_->mutex);
  auto& into = state_->slot(resource);
  auto current = state_->read(into, key);
  if (!current || (!uid.empty() && text_of((*current)["metadata"], "uid") != uid)) return false;
  const Json spec = has_generation(resource) ? current->value("spec", Json()) : Json();
  if (!change(*current)) return false;
  if (has_generation(resource) && current->value("spec", Json()) != spec &&
      resource == kube::deployments()) {
    (*current)["metadata"]["generation"] = (*current)["metadata"].value("generation", 0) + 1;
  }
  return state_->put(into, kube::EventType::kModified, std::move(*current)).has_value();
}

bool Cluster::forget(const kube::Resource& resource, const kube::ObjectKey& key,
                     std::string_view uid) {
  base::Lock lock(state_->mutex);
  auto& from = state_->slot(resource);
  auto current = state_->read(from, key);
  if (!current || (!uid.empty() && text_of((*current)["metadata"], "uid") != uid)) return false;
  return state_->put(from, kube::EventType::kDeleted, std::move(*current)).has_value();
}

std::optional<Json> Cluster::find(const kube::Resource& resource,
                                  const kube::ObjectKey& key) const {
  return state_->read(state_->slot(resource), key);
}

std::vector<kube::ObjectKey> Cluster::keys(const kube::Resource& resource,
                                           std::string_view namespace_) const {
  const auto& from = state_->slot(resource);
  std::vector<kube::ObjectKey> keys;
  const auto content = from.reader.list(from.allowed, {.namespace_ = std::string(namespace_)});
  if (!content) return keys;
  for (const auto& record : content->records) {
    keys.push_back(
        {std::string(record->object().namespace_()), std::string(record->object().name())});
  }
  return keys;
}

void Cluster::tell_progress() {
  base::Lock lock(state_->mutex);
  if (state_->told == state_->revision) return;
  state_->told = state_->revision;
  for (const auto& slot : state_->slots) slot->store.progress(state_->revision);
}

}  // namespace podkeeper::simkube
