#include "pkg/kubeapi/table.h"

#include "pkg/kube/json_text.h"
#include "pkg/kubeapi/json_text.h"

#include <chrono>
#include <set>
#include <string>

namespace podkeeper::kubeapi {
namespace {

using std::chrono::seconds;

std::int64_t unix_seconds(base::WallTime now) {
  return std::chrono::duration_cast<seconds>(now.time_since_epoch()).count();
}

std::string age_since(kube::UnixSeconds then, base::WallTime now) {
  if (then == 0) return "<unknown>";
  return human_duration(seconds(unix_seconds(now) - then));
}

/// Collects a row's cells.
class Cells {
 public:
  void add(std::string_view text) {
    if (!json_.ends_with('[')) json_ += ',';
    kube::append_json_string(json_, text);
  }
  void add_or(std::string_view text, std::string_view otherwise) {
    add(text.empty() ? otherwise : text);
  }
  [[nodiscard]] std::string finish(std::string_view conditions) && {
    json_ += ']';
    json_ += conditions;
    json_ += R"(,"object":)";
    return std::move(json_);
  }

 private:
  std::string json_ = R"({"cells":[)";
};

std::string restarts(const kube::PodFields& pod, base::WallTime now) {
  std::string text = std::to_string(pod.restarts);
  if (pod.restarts != 0 && pod.last_restart != 0)
    text += " (" + age_since(pod.last_restart, now) + " ago)";
  return text;
}

std::string fraction(std::uint32_t part, std::uint32_t whole) {
  return std::to_string(part) + "/" + std::to_string(whole);
}

std::string_view completed_condition(std::string_view phase) {
  if (phase == "Succeeded") {
    return R"(,"conditions":[{"type":"Completed","status":"True","reason":"Succeeded","message":"The pod has completed successfully."}])";
  }
  if (phase == "Failed") {
    return R"(,"conditions":[{"type":"Completed","status":"True","reason":"Failed","message":"The pod failed."}])";
  }
  return "";
}

std::string pod_row(const kube::Object& object, const kube::PodFields& pod, base::WallTime now) {
  Cells cells;
  cells.add(object.name());
  cells.add(fraction(pod.containers_ready, pod.containers_total));
  cells.add(pod.display_status);
  cells.add(restarts(pod, now));
  cells.add(age_since(object.created, now));
  cells.add_or(pod.pod_ip, "<none>");
  cells.add_or(pod.node_name, "<none>");
  cells.add_or(pod.nominated_node, "<none>");
  cells.add(pod.readiness_gates_total == 0
                ? "<none>"
                : fraction(pod.readiness_gates_true, pod.readiness_gates_total));
  return std::move(cells).finish(completed_condition(pod.phase));
}

std::string node_status(const kube::NodeFields& node) {
  std::string status = node.ready.empty() ? "Unknown" : node.ready == "True" ? "Ready" : "NotReady";
  if (node.unschedulable) status += ",SchedulingDisabled";
  return status;
}

std::string node_roles(const kube::Object& object) {
  constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
  std::set<std::string_view> roles;
  for (const auto& [key, value] : object.labels) {
    if (key.starts_with(kPrefix) && key.size() > kPrefix.size())
      roles.insert(key.substr(kPrefix.size()));
    if (key == "kubernetes.io/role" && !value.empty()) roles.insert(value);
  }
  std::string text;
  for (const auto role : roles) {
    if (!text.empty()) text += ',';
    text += role;
  }
  return text;
}

std::string node_row(const kube::Object& object, const kube::NodeFields& node, base::WallTime now) {
  Cells cells;
  cells.add(object.name());
  cells.add(node_status(node));
  cells.add_or(node_roles(object), "<none>");
  cells.add(age_since(object.created, now));
  cells.add(node.kubelet_version);
  cells.add_or(node.internal_ip, "<none>");
  cells.add_or(node.external_ip, "<none>");
  cells.add_or(node.os_image, "<unknown>");
  cells.add_or(node.kernel_version, "<unknown>");
  cells.add_or(node.runtime_version, "<unknown>");
  return std::move(cells).finish("");
}

}  // namespace

std::string table_row_head(const kube::Object& object, base::WallTime now) {
  if (const auto* pod = object.pod()) return pod_row(object, *pod, now);
  if (const auto* node = object.node()) return node_row(object, *node, now);
  Cells cells;
  cells.add(object.name());
  cells.add(kube::format_time(object.created));
  return std::move(cells).finish("");
}

std::string human_duration(seconds age) {
  const auto total = age.count();
  if (total < -1) return "<invalid>";
  if (total < 0) return "0s";
  const auto two = [](std::int64_t whole, char unit, std::int64_t rest, char rest_unit) {
    std::string text = std::to_string(whole) + unit;
    if (rest != 0) text += std::to_string(rest) + rest_unit;
    return text;
  };
  const auto minutes = total / 60, hours = total / 3600, days = hours / 24;
  if (total < 120) return std::to_string(total) + "s";
  if (minutes < 10) return two(minutes, 'm', total % 60, 's');
  if (minutes < 180) return std::to_string(minutes) + "m";
  if (hours < 8) return two(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return std::to_string(hours) + "h";
  if (days < 8) return two(days, 'd', hours % 24, 'h');
  if (days < 2 * 365) return std::to_string(days) + "d";
  if (days < 8 * 365) return two(days / 365, 'y', days % 365, 'd');
  return std::to_string(days / 365) + "y";
}

}  // namespace podkeeper::kubeapi
