#include "pkg/api/policy_records.h"

#include "pkg/api/json_object.h"
#include "pkg/api/state_records.h"
#include "pkg/kube/object.h"

#include <string_view>

namespace podkeeper::api {
namespace {

std::string_view to_string(policy::Standing standing) {
  switch (standing) {
    case policy::Standing::kAbsent:
      return "Absent";
    case policy::Standing::kGoverns:
      return "Governs";
    case policy::Standing::kShadowed:
      return "Shadowed";
    case policy::Standing::kTooMany:
      return "TooMany";
  }
  return "";
}

template <class Items, class Append>
void append_list(JsonObject& object, std::string_view key, const Items& items, Append append) {
  std::string& out = object.member(key);
  out += '[';
  for (const auto& item : items) {
    if (out.back() != '[') out += ',';
    append(out, item);
  }
  out += ']';
}

void append_condition(std::string& out, const policy::Condition& condition) {
  JsonObject item(out);
  item.text("type", condition.type);
  item.text("status", condition.holds ? "True" : "False");
  item.text("reason", condition.reason);
  item.text("message", condition.message);
}

void append_partition(std::string& out, const policy::PartitionView& partition) {
  JsonObject item(out);
  item.text("partition", partition.partition);
  item.text("standing", to_string(partition.standing));
  if (!partition.winner.empty()) item.text("winner", partition.winner);
  item.boolean("current", partition.current);
  if (!partition.running) return;
  item.text("strategy", cmap::to_string(partition.running->strategy));
  item.number("shards", partition.running->shards);
  item.number("entries", partition.running->entries);
}

void append_policy(std::string& out, const policy::PolicyView& view) {
  JsonObject item(out);
  item.text("name", view.identity.name);
  item.text("uid", view.identity.uid);
  item.number("generation", view.identity.generation);
  if (view.identity.created != 0) {
    item.text("createdAt", kube::format_time(view.identity.created));
  }
  if (view.rank) item.number("rank", *view.rank);
  item.boolean("accepted", view.accepted);
  if (view.accepted) {
    item.number("priority", view.spec.priority);
    item.text("strategy", policy::to_string(view.spec.strategy));
    item.number("shards", view.spec.shards);
  }
  if (!view.status.active_strategy.empty()) {
    item.text("activeStrategy", view.status.active_strategy);
  }
  append_list(item, "conditions", view.status.conditions, append_condition);
  append_list(item, "partitions", view.partitions, append_partition);
}

}  // namespace

std::string policy_list_json(const policy::Board& board) {
  std::string out;
  {
    JsonObject list(out);
    list.text("apiVersion", kStateApiVersion);
    list.text("kind", "PolicyList");
    list.boolean("synced", board.synced);
    append_list(list, "items", board.policies, append_policy);
  }
  return out;
}

}  // namespace podkeeper::api
