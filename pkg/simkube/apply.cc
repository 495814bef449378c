// Server-side apply, and who owns which fields of custom resources.
#include "pkg/kubeapi/errors.h"
#include "pkg/simkube/cluster_state.h"
#include "pkg/simkube/faults.h"
#include "pkg/simkube/ownership.h"
#include "pkg/simkube/rules.h"

#include <nlohmann/json.hpp>

#include <array>
#include <memory>
#include <utility>

namespace podkeeper::simkube {
namespace {

/// What of metadata managers own; the rest is the server's.
constexpr std::array kOwnedByManagers = {"labels", "annotations", "finalizers", "ownerReferences"};

std::shared_ptr<const Schema> list_of(Schema::ListType type, std::vector<std::string> keys) {
  Schema list;
  list.type = Schema::Type::kArray;
  list.list_type = type;
  list.list_keys = std::move(keys);
  return std::make_shared<const Schema>(std::move(list));
}

std::shared_ptr<const Schema> metadata_schema() {
  Schema texts, metadata;
  texts.type = metadata.type = Schema::Type::kObject;
  texts.preserve_unknown = true;
  metadata.properties["labels"] = std::make_shared<const Schema>(texts);
  metadata.properties["annotations"] = metadata.properties["labels"];
  metadata.properties["finalizers"] = list_of(Schema::ListType::kSet, {});
  metadata.properties["ownerReferences"] = list_of(Schema::ListType::kMap, {"uid"});
  return std::make_shared<const Schema>(std::move(metadata));
}

/// A version's schema, with that of metadata, which a definition does not give.
Schema whole_schema(const CustomVersion& version) {
  static const auto kMetadata = metadata_schema();
  Schema schema = *version.schema;
  schema.properties["metadata"] = kMetadata;
  return schema;
}

/// 500, as upstream has it, for a configuration that is not of its schema's types.
kube::Status not_typed(const kube::Resource& resource, const kube::ObjectKey& key,
                       const std::vector<std::string>& errors) {
  std::string text = errors.size() > 1 ? "errors:" : errors.front();
  for (const auto& error : errors) {
    if (errors.size() > 1) text += "\n  " + error;
  }
  kube::Status status;
  status.message = "failed to create typed patch object (" + key.namespace_ + "/" + key.name +
                   "; " + resource.api_version() + ", Kind=" + resource.kind + "): " + text;
  return status;
}

/// metadata itself is the server's.
void disown_metadata(FieldSet& set) {
  const auto metadata = set.below.find("f:metadata");
  if (metadata == set.below.end()) return;
  metadata->second.owned = false;
  if (metadata->second.empty()) set.below.erase(metadata);
}

std::expected<void, kube::Status> check_configuration(const kube::Resource& resource,
                                                      const kube::ObjectKey& key,
                                                      const Json& configuration) {
  const auto refusal = [](std::string why) { return refuse(kubeapi::bad_request(std::move(why))); };
  const auto version = text_of(configuration, "apiVersion");
  if (version != resource.api_version()) {
    return refusal("Incorrect version specified in apply patch. Specified patch version: " +
                   version + ", expected: " + resource.api_version());
  }
  if (text_of(configuration, "kind") != resource.kind) {
    return refusal("the kind of the patch is no " + resource.kind);
  }
  const auto metadata = configuration.find("metadata");
  if (metadata == configuration.end()) return {};
  if (!metadata->is_object()) return refusal("metadata of the patch is no JSON object");
  if (!metadata->value("managedFields", Json()).empty()) {
    return refusal("metadata.managedFields must be nil");
  }
  if (const auto name = text_of(*metadata, "name"); !name.empty() && name != key.name) {
    return refusal("the name of the object (" + name + ") does not match the name on the URL (" +
                   key.name + ")");
  }
  return {};
}

}  // namespace

Json Cluster::State::owned_part(const Slot& into, const kube::Resource& resource,
                                const Json& object, bool status) {
  Json part = Json::object();
  for (const auto& [key, member] : object.items()) {
    const bool is_status = into.has_status(resource) && key == "status";
    if (key == "kind" || key == "apiVersion" || key == "metadata" || is_status != status) continue;
    part[key] = member;
  }
  if (status) return part;
  const Json metadata = object.value("metadata", Json::object());
  for (const char* key : kOwnedByManagers) {
    if (metadata.contains(key)) part["metadata"][key] = metadata[key];
  }
  return part;
}

FieldOwner Cluster::State::writer(const kube::Resource& resource, bool status,
                                  const WriteOptions& how) const {
  return {.manager = how.field_manager,
          .applies = how.patch == PatchKind::kApply,
          .api_version = resource.api_version(),
          .subresource = status ? "status" : "",
          .time = format_now(world.clock().wall_now())};
}

void Cluster::State::own_fields(const Slot& into, const kube::Resource& resource,
                                const Json& current, Json& result, bool status,
                                const WriteOptions& how) const {
  const auto* const version = into.custom(resource);
  if (version == nullptr) return;
  if (how.patch != PatchKind::kApply) {
    auto owners = read_owners(current.value("metadata", Json::object()));
    auto difference = compare(whole_schema(*version), owned_part(into, resource, current, status),
                              owned_part(into, resource, result, status));
    for (auto* set : {&difference.added, &difference.changed, &difference.removed}) {
      disown_metadata(*set);
    }
    take_fields(owners, difference, writer(resource, status, how));
    result["metadata"]["managedFields"] = write_owners(std::move(owners));
  }
  if (result["metadata"].value("managedFields", Json()).empty()) {
    result["metadata"].erase("managedFields");
  }
  result["metadata"] = ordered_metadata(result["metadata"]);
}

WriteResult Cluster::apply(const kube::Resource& resource, const kube::ObjectKey& key,
                           Json configuration, bool status, const WriteOptions& how) {
  base::Lock lock(state_->mutex);
  auto* const into = state_->find_slot(resource);
  if (into == nullptr) return refuse(kubeapi::not_served());
  const auto* const version = into->custom(resource);
  if (version == nullptr) return refuse(unsupported_media_type(kMergePatchType));
  if (auto fit = check_configuration(resource, key, configuration); !fit) {
    return refuse(std::move(fit.error()));
  }
  auto current = into->read(key);
  if (!current && status) return refuse(kubeapi::not_found(resource, key.name));
  Json held = current ? *current : Json::object();
  const Json wanted = Json(nlohmann::json(configuration));  // sorted, as what is stored
  const Schema schema = whole_schema(*version);
  const Json asked = State::owned_part(*into, resource, wanted, status);
  if (const auto errors = typing_errors(schema, asked); !errors.empty()) {
    return refuse(not_typed(resource, key, errors));
  }
  Json part = State::owned_part(*into, resource, held, status);
  auto applied =
      simkube::apply(schema, part, asked, read_owners(held.value("metadata", Json::object())),
                     state_->writer(resource, status, how), how.force);
  if (!applied) return refuse(std::move(applied.error()));
  return state_->put_applied(*into, resource, key, std::move(current), wanted, std::move(part),
                             *std::move(applied), status, how);
}

WriteResult Cluster::State::put_applied(Slot& into, const kube::Resource& resource,
                                        const kube::ObjectKey& key, std::optional<Json> current,
                                        const Json& configuration, Json part, Applied applied,
                                        bool status, const WriteOptions& how) {
  Json next = current ? *current : Json::object();
  next["kind"] = resource.kind;
  next["apiVersion"] = resource.api_version();
  auto& metadata = next["metadata"];
  if (!metadata.is_object()) metadata = {{"name", key.name}};
  if (resource.namespaced) metadata["namespace"] = key.namespace_;
  const Json asked = configuration.value("metadata", Json::object());
  for (const char* precondition : {"resourceVersion", "uid"}) {
    metadata.erase(precondition);
    if (current && asked.contains(precondition)) metadata[precondition] = asked[precondition];
  }
  const Json reached = owned_part(into, resource, next, status);
  for (const auto& [member, value] : reached.items()) {
    if (member != "metadata") next.erase(member);
  }
  if (!status) {
    for (const char* member : kOwnedByManagers) next["metadata"].erase(member);
  }
  for (auto& [member, value] : part.items()) {
    if (member == "metadata") {
      next["metadata"].update(value);
    } else {
      next[member] = value;
    }
  }
  next["metadata"]["managedFields"] = write_owners(std::move(applied.owners));
  // Shaping takes nulls for what is absent, but upstream refuses them here.
  if (applied.left_null) {
    const auto faults = check_schema(*into.custom(resource)->schema, next);
    if (!faults.empty()) return refuse(invalid(resource, key.name, faults));
  }
  Json shaped;
  const auto unknown = shape(into, resource, next, shaped);
  if (!unknown.empty() && how.unknown_fields == UnknownFields::kRefuse) {
    return refuse(strict_decoding(resource, unknown));
  }
  if (!current) {
    auto written = add(into, resource, std::move(shaped), how);
    if (written) written->created = true;
    return written;
  }
  (*current)["apiVersion"] = resource.api_version();
  return replace(into, resource, *current, std::move(shaped), status, how);
}

}  // namespace podkeeper::simkube
