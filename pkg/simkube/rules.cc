#include "pkg/simkube/rules.h"

#include <nlohmann/json.hpp>

#include <utility>
#include <vector>

namespace podkeeper::simkube {
namespace {

constexpr std::size_t kNameBytesMax = 253;

constexpr std::string_view kMetadataOrder[] = {"name",
                                               "generateName",
                                               "namespace",
                                               "uid",
                                               "resourceVersion",
                                               "generation",
                                               "creationTimestamp",
                                               "deletionTimestamp",
                                               "deletionGracePeriodSeconds",
                                               "labels",
                                               "annotations",
                                               "ownerReferences",
                                               "finalizers",
                                               "managedFields"};

constexpr std::string_view kNameRule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

bool alphanumeric(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

void set_default(Json& object, const char* key, Json value) {
  if (!object.contains(key)) object[key] = std::move(value);
}

void default_container(Json& container) {
  if (!container.is_object()) return;
  set_default(container, "resources", Json::object());
  set_default(container, "terminationMessagePath", "/dev/termination-log");
  set_default(container, "terminationMessagePolicy", "File");
  const std::string image = container.value("image", "");
  const bool latest = image.find(':') == std::string::npos || image.ends_with(":latest");
  set_default(container, "imagePullPolicy", latest ? "Always" : "IfNotPresent");
  if (!container.contains("ports") || !container["ports"].is_array()) return;
  for (auto& port : container["ports"]) {
    if (!port.is_object()) continue;
    Json ordered = Json::object();  // name first, as upstream prints it
    for (const char* key : {"name", "hostPort", "containerPort", "protocol", "hostIP"}) {
      if (port.contains(key)) ordered[key] = port[key];
    }
    set_default(ordered, "protocol", "TCP");
    port = std::move(ordered);
  }
}

void default_pod_spec(Json& spec) {
  for (const char* list : {"initContainers", "containers"}) {
    if (!spec.contains(list) || !spec[list].is_array()) continue;
    for (auto& container : spec[list]) default_container(container);
  }
  set_default(spec, "restartPolicy", "Always");
  set_default(spec, "terminationGracePeriodSeconds", 30);
  set_default(spec, "dnsPolicy", "ClusterFirst");
  set_default(spec, "securityContext", Json::object());
  set_default(spec, "schedulerName", "default-scheduler");
}

Json toleration(const char* key) {
  return {
      {"key", key}, {"operator", "Exists"}, {"effect", "NoExecute"}, {"tolerationSeconds", 300}};
}

/// Moves a member to the end, to print it where upstream does.
void move_last(Json& object, const char* key) {
  if (!object.contains(key)) return;
  Json value = std::move(object[key]);
  object.erase(key);
  object[key] = std::move(value);
}

void default_pod(Json& pod) {
  auto& spec = pod["spec"];
  default_pod_spec(spec);
  for (const char* key : {"nodeName", "securityContext", "schedulerName"}) move_last(spec, key);
  set_default(spec, "tolerations",
              Json::array({toleration("node.kubernetes.io/not-ready"),
                           toleration("node.kubernetes.io/unreachable")}));
  set_default(spec, "priority", 0);
  set_default(spec, "enableServiceLinks", true);
  set_default(spec, "preemptionPolicy", "PreemptLowerPriority");
}

void default_deployment(Json& deployment) {
  auto& spec = deployment["spec"];
  set_default(spec, "replicas", 1);
  if (spec.contains("template") && spec["template"].is_object()) {
    auto& pod = spec["template"];
    if (!pod.contains("metadata")) pod["metadata"] = Json::object();
    if (pod.contains("spec") && pod["spec"].is_object()) default_pod_spec(pod["spec"]);
  }
  set_default(spec, "strategy",
              {{"type", "RollingUpdate"},
               {"rollingUpdate", {{"maxUnavailable", "25%"}, {"maxSurge", "25%"}}}});
  set_default(spec, "revisionHistoryLimit", 10);
  set_default(spec, "progressDeadlineSeconds", 600);
}

struct Fault {
  std::string field, reason, message;
};

std::string sentence(const Fault& fault) { return fault.field + ": " + fault.message; }

kube::Status invalid(const kube::Resource& resource, std::string_view name,
                     const std::vector<Fault>& faults) {
  kube::Status status;
  std::string all;
  for (const auto& fault : faults) {
    if (!all.empty()) all += ", ";
    all += sentence(fault);
    status.causes.push_back({fault.reason, fault.message, fault.field});
  }
  if (faults.size() > 1) all = "[" + all + "]";
  const std::string kind =
      resource.group.empty() ? resource.kind : resource.kind + "." + resource.group;
  status.message = kind + " \"" + std::string(name) + "\" is invalid: " + all;
  status.reason = "Invalid";
  status.code = 422;
  status.name = name;
  status.group = resource.group;
  status.kind = resource.kind;
  return status;
}

void check_containers(const Json& spec, const std::string& path, std::vector<Fault>& faults) {
  const auto containers = spec.find("containers");
  if (containers == spec.end() || !containers->is_array() || containers->empty()) {
    faults.push_back({path + "containers", "FieldValueRequired", "Required value"});
    return;
  }
  std::size_t index = 0;
  for (const auto& container : *containers) {
    const std::string where = path + "containers[" + std::to_string(index++) + "].";
    const auto text = [&](const char* key) {
      const auto value = container.is_object() ? container.find(key) : container.end();
      return value != container.end() && value->is_string() &&
             !value->get_ref<const std::string&>().empty();
    };
    if (!text("name")) faults.push_back({where + "name", "FieldValueRequired", "Required value"});
    if (!text("image")) faults.push_back({where + "image", "FieldValueRequired", "Required value"});
  }
}

kube::Status conflict_of(std::string_view thing, std::string_view name, std::string_view why) {
  kube::Status status;
  status.message = "Operation cannot be fulfilled on " + std::string(thing) + " \"" +
                   std::string(name) + "\": " + std::string(why);
  status.reason = "Conflict";
  status.code = 409;
  status.name = name;
  return status;
}

}  // namespace

Json ordered_metadata(const Json& metadata) {
  Json ordered = Json::object();
  for (const auto key : kMetadataOrder) {
    const auto member = metadata.find(std::string(key));
    if (member != metadata.end() && !member->is_null()) ordered[std::string(key)] = *member;
  }
  return ordered;
}

Json ordered_object(const kube::Resource& resource, const Json& object) {
  Json ordered = Json::object();
  ordered["kind"] = resource.kind;
  ordered["apiVersion"] = resource.api_version();
  const auto metadata = object.find("metadata");
  ordered["metadata"] = metadata != object.end() && metadata->is_object()
                            ? ordered_metadata(*metadata)
                            : Json::object();
  for (const char* key : {"spec", "status"}) {
    const auto member = object.find(key);
    if (member != object.end()) ordered[key] = *member;
  }
  return ordered;
}

bool is_dns_subdomain(std::string_view name) noexcept {
  if (name.empty() || name.size() > kNameBytesMax) return false;
  char before = '.';
  for (const char c : name) {
    if (c == '.' || c == '-') {
      if (before == '.' || (c == '.' && before == '-')) return false;
    } else if (!alphanumeric(c)) {
      return false;
    }
    before = c;
  }
  return alphanumeric(before);
}

std::expected<void, kube::Status> validate(const kube::Resource& resource, const Json& object) {
  std::vector<Fault> faults;
  const auto& metadata = object.at("metadata");
  const std::string name = metadata.value("name", "");
  if (name.empty()) {
    faults.push_back({"metadata.name", "FieldValueRequired",
                      "Required value: name or generateName is required"});
  } else if (!is_dns_subdomain(name)) {
    faults.push_back({"metadata.name", "FieldValueInvalid",
                      "Invalid value: " + Json(name).dump() + ": " + std::string(kNameRule)});
  }
  static const Json kNone = Json::object();
  const auto& spec = object.contains("spec") && object["spec"].is_object() ? object["spec"] : kNone;
  if (resource == kube::pods()) check_containers(spec, "spec.", faults);
  if (resource == kube::deployments()) {
    if (!spec.contains("selector"))
      faults.push_back({"spec.selector", "FieldValueRequired", "Required value"});
    const auto pod = spec.find("template");
    const bool has_spec = pod != spec.end() && pod->is_object() && pod->contains("spec") &&
                          (*pod)["spec"].is_object();
    check_containers(has_spec ? (*pod)["spec"] : kNone, "spec.template.spec.", faults);
  }
  if (faults.empty()) return {};
  return std::unexpected(invalid(resource, name, faults));
}

void apply_defaults(const kube::Resource& resource, Json& object) {
  if (!object.contains("spec") || !object["spec"].is_object()) object["spec"] = Json::object();
  if (resource == kube::pods()) {
    default_pod(object);
  } else if (resource == kube::deployments()) {
    default_deployment(object);
  } else if (resource == kube::namespaces()) {
    set_default(object["spec"], "finalizers", Json::array({"kubernetes"}));
    object["status"] = {{"phase", "Active"}};
  }
}

kube::Status already_exists(const kube::Resource& resource, std::string_view name) {
  kube::Status status;
  status.message = resource.plural_group() + " \"" + std::string(name) + "\" already exists";
  status.reason = "AlreadyExists";
  status.code = 409;
  status.name = name;
  status.group = resource.group;
  status.kind = resource.plural;
  return status;
}

kube::Status conflict(const kube::Resource& resource, std::string_view name) {
  auto status = conflict_of(
      resource.plural_group(), name,
      "the object has been modified; please apply your changes to the latest version and try "
      "again");
  status.group = resource.group;
  status.kind = resource.plural;
  return status;
}

kube::Status precondition_failed(const kube::Resource& resource, std::string_view name,
                                 std::string_view what, std::string_view wanted,
                                 std::string_view held) {
  const std::string thing(what);
  auto status = conflict_of(resource.kind, name,
                            "the " + thing + " in the precondition (" + std::string(wanted) +
                                ") does not match the " + thing + " in record (" +
                                std::string(held) + "). The object might have been " +
                                (what == "UID" ? "deleted and then recreated" : "modified"));
  status.group = resource.group;
  status.kind = resource.kind;
  return status;
}

kube::Status missing_namespace(std::string_view name) {
  kube::Status status;
  status.message = "namespaces \"" + std::string(name) + "\" not found";
  status.reason = "NotFound";
  status.code = 404;
  status.name = name;
  status.kind = "namespaces";
  return status;
}

}  // namespace podkeeper::simkube
