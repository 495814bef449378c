#include "pkg/simkube/cluster.h"

#include "pkg/base/panic.h"
#include "pkg/kubeapi/errors.h"
#include "pkg/simkube/cluster_state.h"
#include "pkg/simkube/events.h"
#include "pkg/simkube/json_patch.h"
#include "pkg/simkube/rules.h"
#include "pkg/simkube/stored_resources.h"
#include "pkg/simkube/strategic_merge.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace podkeeper::simkube {
namespace {

std::string quality_of_service(const Json& pod) {
  if (!pod.contains("spec") || !pod["spec"].contains("containers")) return "BestEffort";
  for (const auto& container : pod["spec"]["containers"]) {
    if (!container.contains("resources")) continue;
    const auto& resources = container["resources"];
    if (resources.contains("requests") || resources.contains("limits")) return "Burstable";
  }
  return "BestEffort";
}

WriteResult warned(WriteResult written, const std::vector<std::string>& unknown,
                   const WriteOptions& options) {
  if (!written || options.unknown_fields != UnknownFields::kWarn) return written;
  for (const auto& field : unknown) {
    written->warnings.push_back("unknown field " + Json(field).dump());
  }
  return written;
}

}  // namespace

std::string format_now(base::WallTime now) {
  return kube::format_time(
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
}

Cluster::Cluster(base::World& world, ClusterOptions options)
    : state_(std::make_unique<State>(world, options)) {}

Cluster::~Cluster() = default;

state::Reader Cluster::reader(const kube::Resource& resource) const {
  base::Lock lock(state_->mutex);
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
  auto& into = state_->slot(resource);
  for (auto& object : objects) {
    state_->own_metadata(into, object);
    object["metadata"]["resourceVersion"] = to_string(kube::Revision{++state_->revision.value});
    auto one = kube::decode_object(resource, body_text(object));
    PK_CHECK(one.has_value(), "a made-up object does not decode: " + one.error().message);
    decoded.push_back(std::move(*one));
  }
  into.store.replace(std::move(decoded), state_->revision);
}

WriteResult Cluster::State::add(Slot& into, const kube::Resource& resource, Json object,
                                const WriteOptions& how) {
  auto& metadata = object["metadata"];
  const auto space = text_of(metadata, "namespace");
  if (const auto prefix = text_of(metadata, "generateName");
      text_of(metadata, "name").empty() && !prefix.empty()) {
    metadata["name"] = prefix + suffix();
  }
  if (into.definition && into.has_status(resource)) object.erase("status");
  apply_defaults(resource, object);
  if (auto valid = check(into, resource, object); !valid) return refuse(std::move(valid.error()));
  // A default that adds a key to the object moves its members: `metadata` may be gone.
  const kube::ObjectKey key{space, text_of(object["metadata"], "name")};
  if (resource.namespaced && !slot(kube::namespaces()).has({"", space})) {
    return refuse(kubeapi::not_found(kube::namespaces(), space));
  }
  if (into.has(key)) return refuse(already_exists(resource, key.name));
  if (resource == kube::pods())
    object["status"] = {{"phase", "Pending"}, {"qosClass", quality_of_service(object)}};
  if (resource == kube::deployments()) object["status"] = Json::object();
  own_metadata(into, object);
  own_fields(into, resource, Json::object(), object, /*status=*/false, how);
  if (how.dry_run) return Written{body_text(object) + "\n"};
  auto written = put(into, kube::EventType::kAdded, object);
  if (!written) return written;
  if (is_event(resource)) remember_event(key);
  if (resource == kube::custom_resource_definitions()) establish(into, std::move(object));
  return written;
}

WriteResult Cluster::create(const kube::Resource& resource, std::string_view namespace_,
                            Json object, const WriteOptions& options) {
  base::Lock lock(state_->mutex);
  auto* const into = state_->find_slot(resource);
  if (into == nullptr) return refuse(kubeapi::not_served());
  Json shaped;
  const auto unknown = state_->shape(*into, resource, object, shaped);
  if (!unknown.empty() && options.unknown_fields == UnknownFields::kRefuse) {
    return refuse(strict_decoding(resource, unknown));
  }
  auto& metadata = shaped["metadata"];
  if (const auto given = text_of(metadata, "namespace"); !given.empty() && given != namespace_) {
    return refuse(kubeapi::bad_request(
        "the namespace of the provided object does not match the namespace sent on the request"));
  }
  if (resource.namespaced) metadata["namespace"] = namespace_;
  for (const char* key : {"uid", "resourceVersion", "generation", "creationTimestamp",
                          "deletionTimestamp", "deletionGracePeriodSeconds"}) {
    metadata.erase(key);
  }
  auto written = state_->add(*into, resource, std::move(shaped), options);
  return warned(std::move(written), unknown, options);
}

WriteResult Cluster::State::replace(Slot& into, const kube::Resource& resource, const Json& current,
                                    Json next, bool status, const WriteOptions& how) {
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
  const bool applies = how.patch == PatchKind::kApply;
  Json managed = applies ? next["metadata"].value("managedFields", Json()) : Json();
  if (status) {
    result = current;
    if (applies) result.erase("status");
    if (next.contains("status")) result["status"] = std::move(next["status"]);
  } else {
    result = std::move(next);
    for (const char* key : kOwnedMetadata) {
      result["metadata"].erase(key);
      if (current["metadata"].contains(key)) result["metadata"][key] = current["metadata"][key];
    }
    result["metadata"] = ordered_metadata(result["metadata"]);
    if (into.has_status(resource)) {
      result.erase("status");
      if (current.contains("status")) result["status"] = current["status"];
    }
  }
  if (auto same = check_fixed(resource, current, result); !same) {
    return refuse(std::move(same.error()));
  }
  if (!status || into.definition) {
    if (auto valid = check(into, resource, result); !valid) return refuse(std::move(valid.error()));
  }
  if (into.has_generation() && into.content(resource, current) != into.content(resource, result)) {
    result["metadata"]["generation"] = current["metadata"].value("generation", 0) + 1;
    result["metadata"] = ordered_metadata(result["metadata"]);
  }
  if (applies) result["metadata"]["managedFields"] = std::move(managed);
  own_fields(into, resource, current, result, status, how);
  if (result == current || how.dry_run) return Written{body_text(result) + "\n"};
  const bool redefines = resource == kube::custom_resource_definitions() && !status;
  auto written = put(into, kube::EventType::kModified, result);
  if (written && redefines) redefine(result);
  return written;
}

WriteResult Cluster::update(const kube::Resource& resource, const kube::ObjectKey& key, Json object,
                            bool status, const WriteOptions& options) {
  base::Lock lock(state_->mutex);
  auto* const into = state_->find_slot(resource);
  if (into == nullptr) return refuse(kubeapi::not_served());
  Json shaped;
  const auto unknown = state_->shape(*into, resource, object, shaped);
  if (!unknown.empty() && options.unknown_fields == UnknownFields::kRefuse) {
    return refuse(strict_decoding(resource, unknown));
  }
  const auto& metadata = shaped["metadata"];
  if (const auto name = text_of(metadata, "name"); name != key.name) {
    return refuse(kubeapi::bad_request("the name of the object (" + name +
                                       ") does not match the name on the URL (" + key.name + ")"));
  }
  if (const auto given = text_of(metadata, "namespace");
      !given.empty() && given != key.namespace_) {
    return refuse(kubeapi::bad_request("the namespace of the object (" + given +
                                       ") does not match the namespace on the request (" +
                                       key.namespace_ + ")"));
  }
  auto current = into->read(key);
  if (!current) return refuse(kubeapi::not_found(resource, key.name));
  const auto* const stored = find_stored(resource);
  const bool unconditional = !into->definition && resource != kube::custom_resource_definitions() &&
                             (stored == nullptr || !stored->needs_revision);
  if (!unconditional && text_of(metadata, "resourceVersion").empty()) {
    return refuse(revision_missing(resource, key.name));
  }
  (*current)["apiVersion"] = resource.api_version();
  auto written = state_->replace(*into, resource, *current, std::move(shaped), status, options);
  return warned(std::move(written), unknown, options);
}

namespace {

std::expected<void, kube::Status> apply_patch(Json& object, const Json& patch, PatchKind kind) {
  if (kind == PatchKind::kJson) return json_patch(object, patch);
  if (kind != PatchKind::kStrategicMerge) {
    object.merge_patch(patch);
    return {};
  }
  auto merged = strategic_merge(object, patch);
  if (!merged) return std::unexpected(kubeapi::bad_request(std::move(merged.error())));
  return {};
}

}  // namespace

WriteResult Cluster::patch(const kube::Resource& resource, const kube::ObjectKey& key,
                           const Json& patch, bool status, const WriteOptions& options) {
  base::Lock lock(state_->mutex);
  auto* const into = state_->find_slot(resource);
  if (into == nullptr) return refuse(kubeapi::not_served());
  const bool strategic = options.patch == PatchKind::kStrategicMerge;
  if (strategic && into->definition) return refuse(unsupported_media_type(kMergePatchType));
  auto current = into->read(key);
  if (!current) return refuse(kubeapi::not_found(resource, key.name));
  (*current)["apiVersion"] = resource.api_version();
  Json next = *current;
  if (auto patched = apply_patch(next, patch, options.patch); !patched) {
    return refuse(std::move(patched.error()));
  }
  if (!next.is_object() || !next.contains("metadata") || !next["metadata"].is_object()) {
    return refuse(kubeapi::bad_request("the patch leaves no object with metadata"));
  }
  if (text_of(next["metadata"], "name") != key.name) {
    return refuse(kubeapi::bad_request("the name of the object (" +
                                       text_of(next["metadata"], "name") +
                                       ") does not match the name on the URL (" + key.name + ")"));
  }
  Json shaped;
  const auto unknown = state_->shape(*into, resource, next, shaped);
  if (!unknown.empty() && options.unknown_fields == UnknownFields::kRefuse) {
    return refuse(strict_patch(patch, unknown));
  }
  auto written = state_->replace(*into, resource, *current, std::move(shaped), status, options);
  return warned(std::move(written), unknown, options);
}

bool Cluster::edit(const kube::Resource& resource, const kube::ObjectKey& key, std::string_view uid,
                   const std::function<bool(Json&)>& change) {
  base::Lock lock(state_->mutex);
  auto& into = state_->slot(resource);
  auto current = into.read(key);
  if (!current || (!uid.empty() && text_of((*current)["metadata"], "uid") != uid)) return false;
  const Json spec = current->value("spec", Json());
  if (!change(*current)) return false;
  if (resource == kube::deployments() && current->value("spec", Json()) != spec) {
    (*current)["metadata"]["generation"] = (*current)["metadata"].value("generation", 0) + 1;
  }
  return state_->put(into, kube::EventType::kModified, std::move(*current)).has_value();
}

bool Cluster::forget(const kube::Resource& resource, const kube::ObjectKey& key,
                     std::string_view uid) {
  base::Lock lock(state_->mutex);
  auto& from = state_->slot(resource);
  auto current = from.read(key);
  if (!current || (!uid.empty() && text_of((*current)["metadata"], "uid") != uid)) return false;
  return state_->put(from, kube::EventType::kDeleted, std::move(*current)).has_value();
}

std::optional<Json> Cluster::find(const kube::Resource& resource,
                                  const kube::ObjectKey& key) const {
  base::Lock lock(state_->mutex);
  return state_->slot(resource).read(key);
}

std::vector<kube::ObjectKey> Cluster::keys(const kube::Resource& resource,
                                           std::string_view namespace_) const {
  base::Lock lock(state_->mutex);
  return state_->slot(resource).keys(namespace_);
}

void Cluster::tell_progress() {
  base::Lock lock(state_->mutex);
  if (state_->told == state_->revision) return;
  state_->told = state_->revision;
  for (const auto& slot : state_->slots) slot->store.progress(state_->revision);
}

}  // namespace podkeeper::simkube
