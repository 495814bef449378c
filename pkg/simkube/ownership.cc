#include "pkg/simkube/ownership.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace podkeeper::simkube {
namespace {

constexpr const char* kApply = "Apply";
constexpr const char* kUpdate = "Update";
constexpr const char* kAncient = "ancient-changes";

std::string member(const Json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// A manager, as a conflict names it.
std::string shown(const FieldOwner& owner) {
  std::string text = Json(owner.manager).dump(-1, ' ', false, Json::error_handler_t::replace);
  if (!owner.subresource.empty()) text += " with subresource " + Json(owner.subresource).dump();
  if (!owner.applies) text += " using " + owner.api_version;
  return text;
}

kube::Status conflict(const std::map<std::string, std::vector<std::string>>& paths) {
  kube::Status status;
  status.code = 409;
  status.reason = "Conflict";
  std::string list;
  for (const auto& [manager, fields] : paths) {
    if (!list.empty()) list += "\n";
    list += "conflicts with " + manager + ":";
    for (const auto& field : fields) {
      list += "\n- " + field;
      status.causes.push_back({"FieldManagerConflict", "conflict with " + manager, field});
    }
  }
  const auto count = status.causes.size();
  status.message = count == 1
                       ? "Apply failed with 1 conflict: conflict with " + paths.begin()->first +
                             ": " + status.causes.front().field
                       : "Apply failed with " + std::to_string(count) + " conflicts: " + list;
  return status;
}

/// Keeps the number of Update entries within its limit: the oldest become one.
void cap(std::vector<FieldOwner>& owners) {
  const auto is_update = [](const FieldOwner& owner) { return !owner.applies; };
  while (static_cast<std::size_t>(std::ranges::count_if(owners, is_update)) > kUpdateOwnersMax) {
    std::ranges::sort(owners, {}, [](const FieldOwner& owner) {
      return std::tuple(owner.applies, owner.time, owner.manager);
    });
    FieldOwner& oldest = owners[0];
    FieldOwner& next = owners[1];
    next.manager = kAncient;
    next.fields = unite(std::move(next.fields), oldest.fields);
    owners.erase(owners.begin());
  }
}

void drop_empty(std::vector<FieldOwner>& owners) {
  std::erase_if(owners, [](const FieldOwner& owner) { return owner.fields.empty(); });
}

FieldSet touched(const Difference& difference) {
  return unite(difference.added, difference.changed);
}

}  // namespace

bool FieldOwner::is_same_as(const FieldOwner& other) const {
  return manager == other.manager && applies == other.applies && subresource == other.subresource &&
         (applies || api_version == other.api_version);
}

std::vector<FieldOwner> read_owners(const Json& metadata) {
  std::vector<FieldOwner> owners;
  const auto entries = metadata.find("managedFields");
  if (entries == metadata.end() || !entries->is_array()) return owners;
  for (const auto& entry : *entries) {
    if (!entry.is_object()) continue;
    owners.push_back({.manager = member(entry, "manager"),
                      .applies = member(entry, "operation") == kApply,
                      .api_version = member(entry, "apiVersion"),
                      .subresource = member(entry, "subresource"),
                      .time = member(entry, "time"),
                      .fields = from_fields_v1(entry.value("fieldsV1", Json()))});
  }
  return owners;
}

Json write_owners(std::vector<FieldOwner> owners) {
  std::ranges::sort(owners, {}, [](const FieldOwner& owner) {
    return std::tuple(!owner.applies, owner.time, owner.manager, owner.api_version,
                      owner.subresource);
  });
  Json entries = Json::array();
  for (const auto& owner : owners) {
    Json entry = {{"apiVersion", owner.api_version},
                  {"fieldsType", "FieldsV1"},
                  {"fieldsV1", to_fields_v1(owner.fields)},
                  {"manager", owner.manager},
                  {"operation", owner.applies ? kApply : kUpdate}};
    if (!owner.subresource.empty()) entry["subresource"] = owner.subresource;
    entry["time"] = owner.time;
    entries.push_back(std::move(entry));
  }
  return entries;
}

void take_fields(std::vector<FieldOwner>& owners, const Difference& difference, FieldOwner writer) {
  const FieldSet taken = touched(difference);
  const FieldSet lost = unite(taken, difference.removed);
  bool known = false;
  for (auto& owner : owners) {
    if (!owner.is_same_as(writer)) {
      owner.fields = subtract(owner.fields, lost);
      continue;
    }
    known = true;
    owner.fields = unite(subtract(owner.fields, difference.removed), taken);
    if (!taken.empty()) owner.time = writer.time;
  }
  if (!known) {
    writer.fields = taken;
    owners.push_back(std::move(writer));
  }
  drop_empty(owners);
  cap(owners);
}

std::expected<Applied, kube::Status> apply(const Schema& schema, Json& object,
                                           const Json& configuration,
                                           std::vector<FieldOwner> owners, FieldOwner applier,
                                           bool force) {
  FieldSet last;
  std::string since;
  const auto before = std::ranges::find_if(
      owners, [&](const FieldOwner& owner) { return owner.is_same_as(applier); });
  if (before != owners.end()) {
    since = before->time;
    last = std::move(before->fields);
    owners.erase(before);
  }
  applier.fields = fields_of(schema, configuration);
  FieldSet held = applier.fields;
  for (const auto& owner : owners) held = unite(std::move(held), owner.fields);
  Json next = merge(schema, object, configuration);
  const bool left_null = prune_fields(schema, next, last, held);
  const auto difference = compare(schema, object, next);
  const FieldSet taken = touched(difference);
  std::map<std::string, std::vector<std::string>> conflicts;
  for (auto& owner : owners) {
    for_each_path(intersect(owner.fields, taken),
                  [&](std::string path) { conflicts[shown(owner)].push_back(std::move(path)); });
    owner.fields = subtract(subtract(owner.fields, taken), difference.removed);
  }
  if (!force && !conflicts.empty()) return std::unexpected(conflict(conflicts));
  if (object == next && !since.empty()) applier.time = since;
  owners.push_back(std::move(applier));
  drop_empty(owners);
  object = std::move(next);
  return Applied{.owners = std::move(owners), .left_null = left_null};
}

}  // namespace podkeeper::simkube
