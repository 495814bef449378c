// A pod's life, step by step, as the component that takes the step writes it.
#include "pkg/simkube/cluster.h"
#include "pkg/simkube/manifests.h"

#include <nlohmann/json.hpp>

#include <string>
#include <utility>

namespace podkeeper::simkube {
namespace {

bool deleted(const Json& pod) { return pod["metadata"].contains("deletionTimestamp"); }

std::string phase_of(const Json& pod) {
  return pod.contains("status") && pod["status"].is_object() ? pod["status"].value("phase", "")
                                                             : "";
}

/// Sets a condition of a pod; its transition time changes with its status alone.
void set_condition(Json& status, const char* type, bool value, const std::string& now) {
  auto& conditions = status["conditions"];
  if (!conditions.is_array()) conditions = Json::array();
  for (auto& condition : conditions) {
    if (condition.value("type", "") != type) continue;
    const char* text = value ? "True" : "False";
    if (condition.value("status", "") == text) return;
    condition["status"] = text;
    condition["lastTransitionTime"] = now;
    return;
  }
  conditions.push_back({{"type", type},
                        {"status", value ? "True" : "False"},
                        {"lastProbeTime", nullptr},
                        {"lastTransitionTime", now}});
}

Json container_status(const Json& spec, std::string_view pod, const std::string& now) {
  const std::string image = spec.value("image", "");
  const std::string name = spec.value("name", "");
  return {{"name", name},
          {"state", {{"running", {{"startedAt", now}}}}},
          {"lastState", Json::object()},
          {"ready", false},
          {"restartCount", 0},
          {"image", image},
          {"imageID", image.substr(0, image.rfind(':')) + "@sha256:" + hex_of(image, 64)},
          {"containerID", "containerd://" + hex_of(std::string(pod) + "/" + name, 64)},
          {"started", true}};
}

Json terminated(int exit_code, const char* reason, const Json& running_since,
                const std::string& now) {
  return {{"terminated",
           {{"exitCode", exit_code},
            {"reason", reason},
            {"startedAt", running_since},
            {"finishedAt", now}}}};
}

Json started_at(const Json& container, const std::string& otherwise) {
  const auto& state = container["state"];
  return state.contains("running") ? state["running"].value("startedAt", otherwise) : otherwise;
}

bool has_containers(const Json& pod) {
  return pod.contains("status") && pod["status"].contains("containerStatuses") &&
         pod["status"]["containerStatuses"].is_array() &&
         !pod["status"]["containerStatuses"].empty();
}

}  // namespace

bool schedule_pod(Json& pod, std::string_view node, base::WallTime now) {
  if (deleted(pod) || !pod["spec"].value("nodeName", "").empty()) return false;
  Json spec = Json::object();  // nodeName stands before securityContext
  for (auto& [key, value] : pod["spec"].items()) {
    if (key == "securityContext") spec["nodeName"] = node;
    spec[key] = std::move(value);
  }
  spec["nodeName"] = node;
  pod["spec"] = std::move(spec);
  set_condition(pod["status"], "PodScheduled", true, format_now(now));
  return true;
}

bool start_pod(Json& pod, std::string_view pod_ip, std::string_view host_ip, base::WallTime now) {
  if (deleted(pod) || phase_of(pod) != "Pending" || pod["spec"].value("nodeName", "").empty())
    return false;
  const auto text = format_now(now);
  Json status = {{"phase", "Running"}, {"conditions", Json::array()}};
  for (const char* type : {"PodReadyToStartContainers", "Initialized"})
    set_condition(status, type, true, text);
  for (const char* type : {"Ready", "ContainersReady"}) set_condition(status, type, false, text);
  set_condition(status, "PodScheduled", true, text);
  status["hostIP"] = host_ip;
  status["hostIPs"] = Json::array({{{"ip", host_ip}}});
  status["podIP"] = pod_ip;
  status["podIPs"] = Json::array({{{"ip", pod_ip}}});
  status["startTime"] = text;
  status["containerStatuses"] = Json::array();
  for (const auto& one : pod["spec"]["containers"]) {
    status["containerStatuses"].push_back(
        container_status(one, pod["metadata"].value("name", ""), text));
  }
  status["qosClass"] = pod["status"].value("qosClass", "Burstable");
  pod["status"] = std::move(status);
  return true;
}

bool set_pod_ready(Json& pod, bool ready, base::WallTime now) {
  if (phase_of(pod) != "Running" || !has_containers(pod)) return false;
  auto& status = pod["status"];
  const Json before = status;
  for (auto& one : status["containerStatuses"]) {
    if (!one["state"].contains("running")) return false;
    one["ready"] = ready;
  }
  const auto text = format_now(now);
  for (const char* type : {"Ready", "ContainersReady"}) set_condition(status, type, ready, text);
  return status != before;
}

bool crash_pod(Json& pod, base::WallTime now) {
  if (deleted(pod) || phase_of(pod) != "Running" || !has_containers(pod)) return false;
  auto& status = pod["status"];
  auto& one = status["containerStatuses"][0];
  if (!one["state"].contains("running")) return false;
  const auto text = format_now(now);
  one["lastState"] = terminated(137, "OOMKilled", started_at(one, text), text);
  one["state"] = {
      {"waiting",
       {{"reason", "CrashLoopBackOff"},
        {"message", "back-off 10s restarting failed container=" + one.value("name", "") +
                        " pod=" + pod["metadata"].value("name", "")}}}};
  one["ready"] = false;
  one["started"] = false;
  for (const char* type : {"Ready", "ContainersReady"}) set_condition(status, type, false, text);
  return true;
}

bool restart_pod(Json& pod, base::WallTime now) {
  if (deleted(pod) || phase_of(pod) != "Running" || !has_containers(pod)) return false;
  auto& one = pod["status"]["containerStatuses"][0];
  if (!one["state"].contains("waiting")) return false;
  one["state"] = {{"running", {{"startedAt", format_now(now)}}}};
  one["restartCount"] = one.value("restartCount", 0) + 1;
  one["started"] = true;
  return true;
}

bool complete_pod(Json& pod, bool success, base::WallTime now) {
  if (deleted(pod) || phase_of(pod) != "Running" || !has_containers(pod)) return false;
  const auto text = format_now(now);
  auto& status = pod["status"];
  status["phase"] = success ? "Succeeded" : "Failed";
  for (auto& one : status["containerStatuses"]) {
    one["state"] =
        terminated(success ? 0 : 1, success ? "Completed" : "Error", started_at(one, text), text);
    one["ready"] = false;
    one["started"] = false;
  }
  for (const char* type : {"Ready", "ContainersReady"}) set_condition(status, type, false, text);
  return true;
}

}  // namespace podkeeper::simkube
