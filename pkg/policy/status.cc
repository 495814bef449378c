#include "pkg/policy/status.h"

#include "pkg/kube/object.h"
#include "pkg/kube/resource.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace podkeeper::policy {
namespace {

using Json = nlohmann::ordered_json;

const Json* member(const Json& object, const char* name) {
  const auto at = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && at != object.end() ? &*at : nullptr;
}

std::string text(const Json& object, const char* name) {
  const Json* at = member(object, name);
  return at != nullptr && at->is_string() ? at->get<std::string>() : std::string();
}

/// A whole number that is not negative, which all of ours are.
std::optional<std::int64_t> number(const Json& object, const char* name) {
  const Json* at = member(object, name);
  if (at == nullptr || !at->is_number_unsigned()) return std::nullopt;
  const auto value = at->get<std::uint64_t>();
  if (!std::in_range<std::int64_t>(value)) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

std::optional<std::int64_t> time(const Json& object, const char* name) {
  return kube::parse_time(text(object, name));
}

std::optional<Condition> read_condition(const Json& from) {
  const std::string status = text(from, "status");
  if (status != "True" && status != "False") return std::nullopt;
  return Condition{.type = text(from, "type"),
                   .holds = status == "True",
                   .reason = text(from, "reason"),
                   .message = text(from, "message"),
                   .observed_generation = number(from, "observedGeneration").value_or(0),
                   .last_transition = time(from, "lastTransitionTime").value_or(0)};
}

InstanceStatus read_instance(const Json& from) {
  return {.instance = text(from, "instance"),
          .heartbeat = time(from, "lastHeartbeatTime"),
          .strategy = text(from, "strategy"),
          .shards = number(from, "shards"),
          .entries = number(from, "entries"),
          .last_migration = time(from, "lastMigrationTime"),
          .migration_milliseconds = number(from, "migrationMilliseconds"),
          .reads_per_second_before = number(from, "readsPerSecondBefore"),
          .reads_per_second_after = number(from, "readsPerSecondAfter"),
          .p99_before_nanoseconds = number(from, "p99BeforeNanoseconds"),
          .p99_after_nanoseconds = number(from, "p99AfterNanoseconds")};
}

Json write_condition(const Condition& condition) {
  return {{"type", condition.type},
          {"status", condition.holds ? "True" : "False"},
          {"observedGeneration", condition.observed_generation},
          {"lastTransitionTime", kube::format_time(condition.last_transition)},
          {"reason", condition.reason},
          {"message", condition.message}};
}

Json write_instance(const InstanceStatus& instance) {
  Json out = {{"instance", instance.instance}};
  const auto put = [&](const char* name, const std::optional<std::int64_t>& value) {
    if (value) out[name] = *value;
  };
  if (instance.heartbeat) out["lastHeartbeatTime"] = kube::format_time(*instance.heartbeat);
  if (!instance.strategy.empty()) out["strategy"] = instance.strategy;
  put("shards", instance.shards);
  put("entries", instance.entries);
  if (instance.last_migration) {
    out["lastMigrationTime"] = kube::format_time(*instance.last_migration);
  }
  put("migrationMilliseconds", instance.migration_milliseconds);
  put("readsPerSecondBefore", instance.reads_per_second_before);
  put("readsPerSecondAfter", instance.reads_per_second_after);
  put("p99BeforeNanoseconds", instance.p99_before_nanoseconds);
  put("p99AfterNanoseconds", instance.p99_after_nanoseconds);
  return out;
}

/// Whether `held` says what `wanted` says.
bool says(const Status& held, const Condition& wanted) {
  const Condition* at = held.condition(wanted.type);
  return at != nullptr && *at == wanted;
}

std::string configuration(const std::string& name, Json status) {
  const kube::Resource& resource = kube::concurrent_map_policies();
  Json object = {{"apiVersion", resource.api_version()},
                 {"kind", resource.kind},
                 {"metadata", {{"name", name}}}};
  // An empty status would be held, and refused as null once nothing is in it.
  if (!status.empty()) object["status"] = std::move(status);
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

const Condition* Status::condition(std::string_view type) const noexcept {
  const auto at = std::ranges::find(conditions, type, &Condition::type);
  return at == conditions.end() ? nullptr : &*at;
}

Status read_status(std::string_view json) {
  const Json object = Json::parse(json, nullptr, false);
  const Json* from = member(object, "status");
  Status status;
  if (from == nullptr) return status;
  status.observed_generation = number(*from, "observedGeneration").value_or(0);
  status.active_strategy = text(*from, "activeStrategy");
  status.entries = number(*from, "entries");
  const auto each = [&](const char* name, auto&& take) {
    const Json* list = member(*from, name);
    if (list != nullptr && list->is_array()) std::ranges::for_each(*list, take);
  };
  each("conditions", [&](const Json& item) {
    if (auto condition = read_condition(item)) status.conditions.push_back(*std::move(condition));
  });
  each("instances", [&](const Json& item) {
    InstanceStatus instance = read_instance(item);
    if (!instance.instance.empty()) status.instances.push_back(std::move(instance));
  });
  return status;
}

std::vector<Condition> carry_times(const std::vector<Condition>& before, std::vector<Condition> now,
                                   std::int64_t time) {
  for (Condition& condition : now) {
    const auto was = std::ranges::find(before, condition.type, &Condition::type);
    const bool unchanged =
        was != before.end() && was->holds == condition.holds && was->last_transition != 0;
    condition.last_transition = unchanged ? was->last_transition : time;
  }
  return now;
}

Gap summary_gap(const Status& held, const Status& wanted) {
  const bool same =
      held.observed_generation == wanted.observed_generation &&
      held.active_strategy == wanted.active_strategy &&
      held.entries.has_value() == wanted.entries.has_value() &&
      std::ranges::all_of(wanted.conditions, [&](const Condition& c) { return says(held, c); });
  if (!same) return Gap::kContent;
  return held.entries == wanted.entries ? Gap::kNone : Gap::kCounts;
}

Gap instance_gap(const InstanceStatus* held, const InstanceStatus& wanted) {
  if (held == nullptr) return Gap::kContent;
  InstanceStatus as_held = wanted;
  as_held.heartbeat = held->heartbeat;
  if (as_held == *held) return Gap::kNone;
  if (held->entries && wanted.entries) as_held.entries = held->entries;
  return as_held == *held ? Gap::kCounts : Gap::kContent;
}

std::string summary_configuration(const std::string& name, const Status& status) {
  Json out = {{"observedGeneration", status.observed_generation}};
  if (!status.active_strategy.empty()) out["activeStrategy"] = status.active_strategy;
  if (status.entries) out["entries"] = *status.entries;
  out["conditions"] = Json::array();
  for (const Condition& condition : status.conditions) {
    out["conditions"].push_back(write_condition(condition));
  }
  return configuration(name, std::move(out));
}

std::string instance_configuration(const std::string& name, const InstanceStatus& instance) {
  return configuration(name, {{"instances", Json::array({write_instance(instance)})}});
}

std::string empty_configuration(const std::string& name) {
  return configuration(name, Json::object());
}

std::string pruning_patch(std::string_view json, const std::vector<std::string>& gone) {
  const Json object = Json::parse(json, nullptr, false);
  Json kept = Json::array();
  const Json* status = member(object, "status");
  const Json* instances = status == nullptr ? nullptr : member(*status, "instances");
  if (instances != nullptr && instances->is_array()) {
    for (const Json& instance : *instances) {
      const bool goes = std::ranges::find(gone, text(instance, "instance")) != gone.end();
      if (!goes) kept.push_back(instance);
    }
  }
  const Json* metadata = member(object, "metadata");
  const std::string revision =
      metadata == nullptr ? std::string() : text(*metadata, "resourceVersion");
  const Json patch = {{"metadata", {{"resourceVersion", revision}}},
                      {"status", {{"instances", std::move(kept)}}}};
  return patch.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace podkeeper::policy
