#include "pkg/api/state_records.h"

#include "pkg/api/json_object.h"

#include <chrono>

namespace podkeeper::api {
namespace {

using state::Freshness;

std::int64_t milliseconds(base::Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

/// Times that are not set are left out, as Kubernetes does it.
void time(JsonObject& object, std::string_view key, kube::UnixSeconds seconds) {
  if (seconds != 0) object.text(key, kube::format_time(seconds));
}

void head(JsonObject& object, std::string_view kind, const Freshness& freshness) {
  object.text("apiVersion", kStateApiVersion);
  object.text("kind", kind);
  object.text("revision", kube::to_string(freshness.revision));
  object.number("ageMs", milliseconds(freshness.age));
}

void labels(JsonObject& object, const kube::Object::LabelSpan& from) {
  JsonObject into(object.member("labels"));
  for (const auto& [key, value] : from) into.text(key, value);
}

void append_pod(std::string& out, const state::PodState& state) {
  JsonObject pod(out);
  pod.text("namespace", state.namespace_());
  pod.text("name", state.name());
  pod.text("uid", state.uid());
  pod.text("node", state.node());
  pod.text("phase", state.phase());
  pod.boolean("ready", state.ready);
  pod.number("readyContainers", state.ready_containers());
  pod.number("totalContainers", state.total_containers());
  pod.number("restarts", state.restarts());
  pod.text("podIP", state.pod_ip());
  pod.text("reason", state.reason);
  pod.boolean("terminating", state.terminating);
  pod.boolean("nodeLost", state.node_lost);
  pod.text("stuckReason", state::to_string(state.stuck));
  pod.text("revision", kube::to_string(state.revision()));
  time(pod, "createdAt", state.created_at());
  time(pod, "lastTransitionAt", state.last_transition_at);
  time(pod, "expiresAt", state.expires_at);
  labels(pod, state.labels());
}

void amount(JsonObject& object, std::string_view key, std::int64_t cpu_millis, std::int64_t memory,
            std::int64_t pods) {
  JsonObject into(object.member(key));
  into.number("cpuMillis", cpu_millis);
  into.number("memoryBytes", memory);
  into.number("pods", pods);
}

void amount(JsonObject& object, std::string_view key, const state::ResourceAmount& from) {
  amount(object, key, from.cpu_millis, from.memory_bytes, from.pods);
}

void append_node(std::string& out, const state::Record& record) {
  const kube::Object& object = record.object();
  const kube::NodeFields& fields = *object.node();
  JsonObject node(out);
  node.text("name", object.name());
  node.text("uid", object.uid);
  node.text("ready", fields.ready.empty() ? "Unknown" : fields.ready);
  node.boolean("unschedulable", fields.unschedulable);
  node.boolean("memoryPressure", fields.memory_pressure);
  node.boolean("diskPressure", fields.disk_pressure);
  node.boolean("pidPressure", fields.pid_pressure);
  node.text("internalIP", fields.internal_ip);
  node.text("kubeletVersion", fields.kubelet_version);
  node.text("osImage", fields.os_image);
  amount(node, "capacity", fields.capacity_cpu_millis, fields.capacity_memory_bytes,
         fields.capacity_pods);
  amount(node, "allocatable", fields.allocatable_cpu_millis, fields.allocatable_memory_bytes,
         fields.allocatable_pods);
  node.text("revision", kube::to_string(object.revision));
  time(node, "createdAt", object.created);
  time(node, "lastTransitionAt", fields.ready_transition);
  labels(node, object.labels);
}

void counts(JsonObject& object, std::string_view key,
            const std::map<std::string, std::size_t>& from) {
  JsonObject into(object.member(key));
  for (const auto& [name, count] : from) into.number(name, count);
}

void notices(JsonObject& object, std::string_view key, const std::vector<state::PodNotice>& from) {
  std::string& out = object.member(key);
  out += '[';
  for (const state::PodNotice& notice : from) {
    if (out.back() != '[') out += ',';
    JsonObject into(out);
    into.text("pod", notice.key);
    if (!notice.reason.empty()) into.text("reason", notice.reason);
    time(into, "expiresAt", notice.expires_at);
  }
  out += ']';
}

void append_pods_summary(std::string& out, const state::ClusterSummary::Pods& pods) {
  JsonObject object(out);
  object.number("total", pods.total);
  object.number("ready", pods.ready);
  object.number("notReady", pods.not_ready);
  object.number("terminating", pods.terminating);
  object.number("nodeLost", pods.node_lost);
  object.number("restarts", pods.restarts);
  counts(object, "byPhase", pods.by_phase);
  counts(object, "byReason", pods.by_reason);
  object.number("stuckTotal", pods.stuck_total);
  object.number("expiringTotal", pods.expiring_total);
  notices(object, "stuck", pods.stuck);
  notices(object, "expiring", pods.expiring);
}

void append_nodes_summary(std::string& out, const state::ClusterSummary::Nodes& nodes) {
  JsonObject object(out);
  object.number("total", nodes.total);
  object.number("ready", nodes.ready);
  object.number("notReady", nodes.not_ready);
  object.number("unknown", nodes.unknown);
  object.number("unschedulable", nodes.unschedulable);
  object.number("memoryPressure", nodes.memory_pressure);
  object.number("diskPressure", nodes.disk_pressure);
  object.number("pidPressure", nodes.pid_pressure);
}

/// The end of a list: its items, the way to the next page, and how many are left where that is
/// known.
template <class Items, class Append>
void list(JsonObject& object, const Items& items, Append append, const std::string& continue_token,
          std::optional<std::int64_t> remaining) {
  std::string& out = object.member("items");
  out += '[';
  for (const auto& item : items) {
    if (out.back() != '[') out += ',';
    append(out, item);
  }
  out += ']';
  object.text("continue", continue_token);
  if (remaining) object.number("remaining", *remaining);
}

}  // namespace

std::string pod_state_json(const state::PodState& state, const Freshness& freshness) {
  std::string out;
  {
    JsonObject object(out);
    head(object, "PodState", freshness);
    append_pod(object.member("pod"), state);
  }
  return out;
}

std::string pod_state_list_json(const state::PodStateList& states, const Freshness& freshness,
                                const std::string& continue_token) {
  std::string out;
  out.reserve(states.states.size() * 600 + 256);
  {
    JsonObject object(out);
    head(object, "PodStateList", freshness);
    const auto append = [](std::string& into, const state::PodStateRef& ref) {
      append_pod(into, ref->state());
    };
    list(object, states.states, append, continue_token, states.remaining);
  }
  return out;
}

std::string node_state_json(const state::Record& node, const Freshness& freshness) {
  std::string out;
  {
    JsonObject object(out);
    head(object, "NodeState", freshness);
    append_node(object.member("node"), node);
  }
  return out;
}

std::string node_state_list_json(const state::ListResult& nodes,
                                 const std::string& continue_token) {
  std::string out;
  {
    JsonObject object(out);
    head(object, "NodeStateList", nodes.freshness);
    const auto append = [](std::string& into, const state::RecordRef& record) {
      append_node(into, *record);
    };
    list(object, nodes.records, append, continue_token, nodes.remaining);
  }
  return out;
}

std::string summary_json(const state::ClusterSummary& summary, const Freshness& pods) {
  std::string out;
  {
    JsonObject object(out);
    head(object, "ClusterSummary", pods);
    append_pods_summary(object.member("pods"), summary.pods);
    append_nodes_summary(object.member("nodes"), summary.nodes);
    amount(object, "capacity", summary.capacity);
    amount(object, "allocatable", summary.allocatable);
    amount(object, "requested", summary.requested);
  }
  return out;
}

std::string error_json(const base::Error& error) {
  std::string out;
  {
    JsonObject object(out);
    JsonObject inner(object.member("error"));
    inner.text("code", base::to_string(error.code));
    inner.text("message", error.message);
    inner.boolean("retryable", error.retryable());
    JsonObject details(inner.member("details"));
    if (error.retry_after) details.number("retryAfterMs", error.retry_after->count());
  }
  return out;
}

}  // namespace podkeeper::api
