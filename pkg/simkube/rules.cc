#include "pkg/simkube/rules.h"

#include "pkg/kubeapi/errors.h"
#include "pkg/simkube/faults.h"
#include "pkg/simkube/stored_resources.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>
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

/// What an object has beside kind, apiVersion and metadata.
const std::vector<std::string_view>& content_of(const kube::Resource& resource) {
  static const std::vector<std::string_view> kContent = {"spec", "status"};
  const auto* const stored = find_stored(resource);
  return stored != nullptr ? stored->members : kContent;
}

constexpr std::size_t kLabelBytesMax = 63;
constexpr std::string_view kLabelRule =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must "
    "start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for "
    "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
constexpr std::string_view kSubdomainRule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

bool alphanumeric(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

void set_default(Json& object, const char* key, Json value) {
  if (!object.contains(key)) object[key] = std::move(value);
}

/// Members of `defaults` that the object lacks, at every depth.
void fill_in(Json& object, const Json& defaults) {
  for (const auto& [key, value] : defaults.items()) {
    if (!object.contains(key)) {
      object[key] = value;
    } else if (value.is_object() && object[key].is_object()) {
      fill_in(object[key], value);
    }
  }
}

/// "spec.ports"; null where there is no such member.
const Json& member_at(const Json& object, std::string_view path) {
  static const Json kNone;
  const Json* at = &object;
  while (!path.empty()) {
    const auto dot = std::min(path.find('.'), path.size());
    const auto member = at->is_object() ? at->find(std::string(path.substr(0, dot))) : at->end();
    if (member == at->end()) return kNone;
    at = &*member;
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return *at;
}

/// What is wrong with a name; empty where it is fine.
std::string_view name_fault(NameRule rule, std::string_view name) {
  switch (rule) {
    case NameRule::kSubdomain:
      return is_dns_subdomain(name) ? "" : kSubdomainRule;
    case NameRule::kLabel: {
      const bool fits = name.size() <= kLabelBytesMax && !name.contains('.');
      return fits && is_dns_subdomain(name) ? "" : kLabelRule;
    }
    case NameRule::kPathSegment:
      if (name == "." || name == "..") return "may not be '.' or '..'";
      return name.find_first_of("/%") == std::string_view::npos ? "" : "may not contain '/' or '%'";
  }
  return "";
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

void check_containers(const Json& spec, const std::string& path, std::vector<Fault>& faults) {
  const auto containers = spec.find("containers");
  if (containers == spec.end() || !containers->is_array() || containers->empty()) {
    faults.push_back(required(path + "containers"));
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
    if (!text("name")) faults.push_back(required(where + "name"));
    if (!text("image")) faults.push_back(required(where + "image"));
  }
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
  for (const auto name : content_of(resource)) {
    const std::string key(name);
    const auto member = object.find(key);
    if (member != object.end() && !member->is_null()) ordered[key] = *member;
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

std::vector<Fault> metadata_faults(const kube::Resource& resource, const Json& object) {
  std::vector<Fault> faults;
  const auto& metadata = object.at("metadata");
  const auto given = metadata.find("name");
  const std::string name =
      given != metadata.end() && given->is_string() ? given->get<std::string>() : "";
  if (name.empty()) {
    faults.push_back(required("metadata.name", "name or generateName is required"));
  } else if (const auto wrong = name_fault(name_rule(resource), name); !wrong.empty()) {
    faults.push_back(invalid_value("metadata.name", name, wrong));
  }
  return faults;
}

std::expected<void, kube::Status> validate(const kube::Resource& resource, const Json& object) {
  auto faults = metadata_faults(resource, object);
  if (const auto* const stored = find_stored(resource)) {
    if (stored->check != nullptr) {
      if (auto right = stored->check(object); !right) return right;
    }
    for (const auto path : stored->needed) {
      if (member_at(object, path).is_null()) faults.push_back(required(std::string(path)));
    }
  }
  static const Json kNone = Json::object();
  const auto& spec = object.contains("spec") && object["spec"].is_object() ? object["spec"] : kNone;
  if (resource == kube::pods()) check_containers(spec, "spec.", faults);
  if (resource == kube::deployments()) {
    if (!spec.contains("selector")) faults.push_back(required("spec.selector"));
    const auto pod = spec.find("template");
    const bool has_spec = pod != spec.end() && pod->is_object() && pod->contains("spec") &&
                          (*pod)["spec"].is_object();
    check_containers(has_spec ? (*pod)["spec"] : kNone, "spec.template.spec.", faults);
  }
  if (faults.empty()) return {};
  return std::unexpected(invalid(resource, object.at("metadata").value("name", ""), faults));
}

std::expected<void, kube::Status> check_fixed(const kube::Resource& resource, const Json& current,
                                              const Json& next) {
  const auto* const stored = find_stored(resource);
  if (stored == nullptr) return {};
  std::vector<Fault> faults;
  for (const auto path : stored->fixed) {
    const auto& value = member_at(next, path);
    if (value == member_at(current, path)) continue;
    faults.push_back(invalid_value(std::string(path), value, "field is immutable"));
  }
  if (faults.empty()) return {};
  return std::unexpected(invalid(resource, current.at("metadata").value("name", ""), faults));
}

std::vector<std::string> unknown_members(const kube::Resource& resource, const Json& object) {
  const auto& content = content_of(resource);
  std::vector<std::string> unknown;
  for (const auto& [key, value] : object.items()) {
    if (key == "kind" || key == "apiVersion" || key == "metadata") continue;
    if (std::ranges::find(content, key) == content.end()) unknown.push_back(key);
  }
  return unknown;
}

std::vector<std::string> unknown_metadata(const Json& metadata) {
  std::vector<std::string> unknown;
  for (const auto& [key, value] : metadata.items()) {
    const bool known =
        key == "selfLink" || std::ranges::find(kMetadataOrder, key) != std::end(kMetadataOrder);
    if (!known) unknown.push_back("metadata." + key);
  }
  return unknown;
}

void apply_defaults(const kube::Resource& resource, Json& object) {
  if (const auto* const stored = find_stored(resource); stored && !stored->defaults.empty()) {
    fill_in(object, Json::parse(stored->defaults));
  }
  const bool has_defaults = resource == kube::pods() || resource == kube::deployments() ||
                            resource == kube::namespaces() || resource == kube::nodes();
  if (!has_defaults) return;
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
  return kubeapi::about_object(
      resource, name, 409, "AlreadyExists",
      resource.plural_group() + " \"" + std::string(name) + "\" already exists");
}

kube::Status conflict(const kube::Resource& resource, std::string_view name) {
  return kubeapi::about_object(
      resource, name, 409, "Conflict",
      "Operation cannot be fulfilled on " + resource.plural_group() + " \"" + std::string(name) +
          "\": the object has been modified; please apply your changes to the latest version and "
          "try again");
}

kube::Status precondition_failed(const kube::Resource& resource, std::string_view name,
                                 std::string_view what, std::string_view wanted,
                                 std::string_view held) {
  const std::string thing(what);
  auto status = kubeapi::about_object(
      resource, name, 409, "Conflict",
      "Operation cannot be fulfilled on " + resource.kind + " \"" + std::string(name) + "\": the " +
          thing + " in the precondition (" + std::string(wanted) + ") does not match the " + thing +
          " in record (" + std::string(held) + "). The object might have been " +
          (what == "UID" ? "deleted and then recreated" : "modified"));
  status.kind = resource.kind;
  return status;
}

kube::Status unsupported_media_type(std::string_view accepted) {
  kube::Status status;
  status.message =
      "the body of the request was in an unknown format - accepted media types include: " +
      std::string(accepted);
  status.reason = "UnsupportedMediaType";
  status.code = 415;
  return status;
}

kube::Status revision_missing(const kube::Resource& resource, std::string_view name) {
  // Upstream tells this one by the plural, where every other 422 has the kind.
  kube::Resource by_plural = resource;
  by_plural.kind = resource.plural;
  return invalid(by_plural, name,
                 {invalid_value("metadata.resourceVersion", 0, "must be specified for an update")});
}

namespace {

std::string unknown_fields(const std::vector<std::string>& fields) {
  std::string text = "strict decoding error: ";
  for (const auto& field : fields) {
    if (&field != &fields.front()) text += ", ";
    text += "unknown field " + Json(field).dump();
  }
  return text;
}

}  // namespace

kube::Status strict_decoding(const kube::Resource& resource,
                             const std::vector<std::string>& fields) {
  return kubeapi::bad_request(resource.kind + " in version \"" + resource.version +
                              "\" cannot be handled as a " + resource.kind + ": " +
                              unknown_fields(fields));
}

kube::Status strict_patch(const Json& patch, const std::vector<std::string>& fields) {
  // Of no kind and no name: so upstream tells it.
  return invalid({}, "",
                 {invalid_value("patch", patch.dump(-1, ' ', false, Json::error_handler_t::replace),
                                unknown_fields(fields))});
}

}  // namespace podkeeper::simkube
