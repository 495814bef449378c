#include "pkg/kubeapi/table.h"

#include "pkg/kube/json_text.h"
#include "pkg/kubeapi/json_text.h"
#include "pkg/kubeapi/table_columns.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <utility>

namespace podkeeper::kubeapi {
namespace {

using std::chrono::seconds;
using Json = nlohmann::json;

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
  void add_json(const std::string& value) {
    if (!json_.ends_with('[')) json_ += ',';
    json_ += value;
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

/// The object as JSON, without kind and apiVersion; null where it is none.
Json parse_body(const kube::Object& object) {
  return Json::parse("{" + object.body, nullptr, /*allow_exceptions=*/false);
}

std::string age_of(const Json& time, base::WallTime now) {
  if (!time.is_string()) return "<unknown>";
  const auto then = kube::parse_time(time.get_ref<const std::string&>());
  return then ? age_since(*then, now) : "<invalid>";
}

/// A cell as upstream's table convertor makes it of what the path found: a string column prints
/// anything, the others what is of their type, and null stands for everything else.
std::string custom_cell(const PrinterColumn& column, const Json& body, base::WallTime now) {
  const Json* const value = column.path.find(body);
  if (value == nullptr || value->is_null()) return "null";
  if (column.type == "string") {
    return json_string(value->is_string() ? value->get<std::string>() : value->dump());
  }
  if (column.type == "date") return value->is_string() ? json_string(age_of(*value, now)) : "null";
  if (column.type == "boolean") return value->is_boolean() ? value->dump() : "null";
  if (!value->is_number()) return "null";
  if (column.type == "number" || value->is_number_integer()) return value->dump();
  const auto number = value->get<double>();
  const bool fits = number > -9.2e18 && number < 9.2e18;
  return fits ? std::to_string(static_cast<std::int64_t>(number)) : "null";
}

std::string text_at(const Json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

const Json& either(const Json& object, const char* core, const char* other) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  for (const char* key : {core, other}) {
    if (const auto found = object.find(key); found != object.end() && !found->is_null()) {
      return *found;
    }
  }
  return kNothing;
}

/// Of an event in either form; the names of the core form come first.
std::string event_row(const kube::Object& object, base::WallTime now) {
  const Json event = parse_body(object);
  const auto& about = either(event, "involvedObject", "regarding");
  const auto& from = either(event, "source", "deprecatedSource");
  const auto& series = either(event, "series", "series");
  const auto& last = either(event, "lastTimestamp", "deprecatedLastTimestamp");
  const auto& first = either(event, "firstTimestamp", "deprecatedFirstTimestamp");
  const auto& single = either(event, "eventTime", "eventTime");
  const auto& count = either(event, "count", "deprecatedCount");
  const auto& repeated = series.is_object() ? either(series, "lastObservedTime", "") : series;
  std::string kind = text_at(about, "kind");
  for (auto& c : kind) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  std::string source = text_at(from, "component");
  if (source.empty()) source = text_at(event, "reportingComponent");
  if (source.empty()) source = text_at(event, "reportingController");
  if (const auto host = text_at(from, "host"); !host.empty()) source += ", " + host;
  const auto& message = either(event, "message", "note");
  const auto& times = series.is_object() ? either(series, "count", "") : count;
  Cells cells;
  cells.add(age_of(!repeated.is_null() ? repeated : last.is_null() ? single : last, now));
  cells.add(text_at(event, "type"));
  cells.add(text_at(event, "reason"));
  cells.add(kind + "/" + text_at(about, "name"));
  cells.add(text_at(about, "fieldPath"));
  cells.add(source);
  cells.add(message.is_string() ? message.get<std::string>() : "");
  cells.add(age_of(first.is_null() ? single : first, now));
  cells.add(times.is_number() ? times.dump() : "1");
  cells.add(object.name());
  return std::move(cells).finish("");
}

}  // namespace

PrinterColumn age_column() {
  return {.name = "Age",
          .type = "date",
          .format = "",
          .description =
              "CreationTimestamp is a timestamp representing the server time when this "
              "object was created.",
          .path = JsonPath::parse(".metadata.creationTimestamp").value(),
          .age = true};
}

TableView::TableView(const kube::Resource& resource, std::vector<PrinterColumn> custom)
    : events_(resource == kube::events() || resource == kube::events_v1()),
      reads_body_(!std::ranges::all_of(custom, &PrinterColumn::age)),
      custom_(std::move(custom)),
      columns_(custom_.empty() ? std::string(builtin_columns(resource)) : custom_columns(custom_)) {
}

std::string TableView::row_head(const kube::Object& object, base::WallTime now) const {
  if (const auto* pod = object.pod()) return pod_row(object, *pod, now);
  if (const auto* node = object.node()) return node_row(object, *node, now);
  if (events_) return event_row(object, now);
  Cells cells;
  cells.add(object.name());
  if (custom_.empty()) {
    cells.add(kube::format_time(object.created));
  } else {
    const Json body = reads_body_ ? parse_body(object) : Json();
    for (const auto& column : custom_) {
      if (column.age) {
        cells.add(age_since(object.created, now));
      } else {
        cells.add_json(custom_cell(column, body, now));
      }
    }
  }
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
