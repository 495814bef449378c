#include "pkg/simkube/writes.h"

#include "pkg/kubeapi/errors.h"
#include "pkg/simkube/faults.h"
#include "pkg/simkube/protobuf_body.h"
#include "pkg/simkube/rules.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace podkeeper::simkube {
namespace {

constexpr std::size_t kEchoBytesMax = 1024;  // of a bad body, in the answer
constexpr std::size_t kFieldManagerBytesMax = 128;

using Decoded = std::expected<Json, kube::Status>;

std::unexpected<kube::Status> bad(std::string message) {
  return std::unexpected(kubeapi::bad_request(std::move(message)));
}

kube::Status too_large() {
  kube::Status status;
  status.message = "Request entity too large: limit is " + std::to_string(kWriteBytesMax);
  status.reason = "RequestEntityTooLarge";
  status.code = 413;
  return status;
}

/// The media type without its parameters.
std::string_view media_type(const http::Request& request) {
  auto type = request.headers.get("Content-Type").value_or("");
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  return type;
}

/// Whether `json` opens more than `max` objects and arrays inside each other; what follows walks
/// them by recursion.
bool nests_deeper_than(std::string_view json, std::size_t max) {
  std::size_t depth = 0;
  bool in_text = false;
  for (std::size_t at = 0; at < json.size(); ++at) {
    const char c = json[at];
    if (c == '"') in_text = !in_text;
    if (in_text) {
      if (c == '\\') ++at;
    } else if (c == '{' || c == '[') {
      if (++depth > max) return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

Decoded parse_protobuf(const http::Request& request) {
  auto object = decode_protobuf(request.body);
  if (object) return std::move(*object);
  if (object.error() == ProtobufFault::kUnknownKind) {
    return std::unexpected(unsupported_media_type("application/json"));
  }
  return bad("the object provided is no protobuf object of Kubernetes");
}

Decoded parse_body(const http::Request& request, const std::string& wanted_kind) {
  if (media_type(request) == kProtobufType) return parse_protobuf(request);
  if (nests_deeper_than(request.body, kWriteDepthMax)) {
    return bad("the object provided is nested deeper than " + std::to_string(kWriteDepthMax));
  }
  Json json = Json::parse(request.body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_discarded() && json.is_object()) return json;
  // Go names the byte; what matters to a reader is whether the body stopped early.
  const std::string why =
      request.body.starts_with('{') ? "unexpected end of JSON input" : "the body is no JSON object";
  return bad("the object provided is unrecognized (must be of type " + wanted_kind +
             "): couldn't get version/kind; json parse error: " + why + " (" +
             request.body.substr(0, kEchoBytesMax) + ")");
}

std::string text_of(const Json& object, const char* key) {
  const auto member = object.find(key);
  return member != object.end() && member->is_string() ? member->get<std::string>() : std::string();
}

/// The body of a POST or PUT: an object of exactly this resource.
Decoded decode(const http::Request& request, const kube::Resource& resource) {
  const auto type = media_type(request);
  if (!type.empty() && type != "application/json" && type != kProtobufType)
    return std::unexpected(unsupported_media_type("application/json"));
  auto json = parse_body(request, resource.kind);
  if (!json) return json;
  const auto kind = text_of(*json, "kind"), version = text_of(*json, "apiVersion");
  if (kind.empty()) return bad("Object 'Kind' is missing in the body of the request");
  if (kind != resource.kind || version != resource.api_version()) {
    const std::string group = resource.group.empty() ? "core" : resource.group;
    return bad(kind + " in version \"" + version + "\" cannot be handled as a " + resource.kind +
               ": converting (" + version.substr(version.find('/') + 1) + "." + kind + ") to (" +
               group + "." + resource.kind + "): unknown conversion");
  }
  if (const auto metadata = json->find("metadata");
      metadata != json->end() && !metadata->is_object()) {
    return bad("metadata of the object is no JSON object");
  }
  return json;
}

/// Whom the fields belong to: who the client says it is, or else the program's name.
std::string field_manager(const http::Request& request) {
  std::string name(request.target.query_value("fieldManager").value_or(""));
  if (name.empty()) {
    const auto agent = request.headers.get("User-Agent").value_or("");
    name = agent.substr(0, std::min(agent.find('/'), kFieldManagerBytesMax));
  }
  return name.empty() ? "unknown" : name;
}

WriteOptions write_options(const http::Request& request) {
  const auto& target = request.target;
  const auto validation = target.query_value("fieldValidation").value_or("Warn");
  return {.dry_run = target.query_value("dryRun") == "All",
          .unknown_fields = validation == "Strict"   ? UnknownFields::kRefuse
                            : validation == "Ignore" ? UnknownFields::kIgnore
                                                     : UnknownFields::kWarn,
          .field_manager = field_manager(request),
          .force = target.query_value("force") == "true"};
}

/// What is wrong with the options of a write, as upstream words it; `kind` is that of the options.
std::expected<void, kube::Status> check_options(const http::Request& request, const char* kind,
                                                bool applies) {
  std::vector<Fault> faults;
  const auto manager = request.target.query_value("fieldManager").value_or("");
  if (applies && manager.empty()) {
    faults.push_back(required("fieldManager", "is required for apply patch"));
  }
  if (manager.size() > kFieldManagerBytesMax) {
    faults.push_back(too_long("fieldManager", kFieldManagerBytesMax));
  }
  if (!applies && request.target.query_value("force")) {
    faults.push_back(forbidden("force", "may not be specified for non-apply patch"));
  }
  if (faults.empty()) return {};
  kube::Resource options;
  options.group = "meta.k8s.io";
  options.kind = kind;
  return std::unexpected(invalid(options, "", faults));
}

std::expected<DeleteOptions, kube::Status> delete_options(const http::Request& request) {
  DeleteOptions options;
  options.dry_run = request.target.query_value("dryRun") == "All";
  if (!request.body.empty()) {
    const auto json = parse_body(request, "DeleteOptions");
    if (!json) return std::unexpected(json.error());
    const auto grace = json->find("gracePeriodSeconds");
    if (grace != json->end() && grace->is_number_integer())
      options.grace_seconds = grace->get<std::int64_t>();
    const auto dry_run = json->find("dryRun");
    if (dry_run != json->end() && *dry_run == Json::array({"All"})) options.dry_run = true;
    const auto conditions = json->find("preconditions");
    if (conditions != json->end() && conditions->is_object()) {
      options.uid = text_of(*conditions, "uid");
      options.resource_version = text_of(*conditions, "resourceVersion");
    }
  }
  if (const auto grace = request.target.query_value("gracePeriodSeconds")) {
    const auto number = Json::parse(*grace, nullptr, /*allow_exceptions=*/false);
    if (!number.is_number_integer()) {
      return bad("strconv.ParseInt: parsing " + Json(*grace).dump() + ": invalid syntax");
    }
    options.grace_seconds = number.get<std::int64_t>();
  }
  return options;
}

http::Response answer(WriteResult result, int code) {
  if (!result) return kubeapi::status_response(result.error());
  auto response = http::Response::json(code, std::move(result->object));
  for (const auto& warning : result->warnings) {
    response.headers.add("Warning", "299 - " + Json(warning).dump());
  }
  return response;
}

std::expected<PatchKind, kube::Status> patch_kind(std::string_view type) {
  constexpr std::pair<std::string_view, PatchKind> kKinds[] = {
      {kJsonPatchType, PatchKind::kJson},
      {kMergePatchType, PatchKind::kMerge},
      {kStrategicMergePatchType, PatchKind::kStrategicMerge},
      {kApplyPatchType, PatchKind::kApply},
  };
  std::string accepted;
  for (const auto& [name, kind] : kKinds) {
    if (type == name) return kind;
    if (!accepted.empty()) accepted += ", ";
    accepted += name;
  }
  return std::unexpected(unsupported_media_type(accepted));
}

/// The body of a JSON patch.
Decoded parse_operations(const std::string& body) {
  if (nests_deeper_than(body, kWriteDepthMax)) {
    return bad("error decoding patch: it is nested deeper than " + std::to_string(kWriteDepthMax));
  }
  Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return bad("error decoding patch: it is no JSON");
  return json;
}

http::Response patch(Cluster& cluster, const http::Request& request, const kubeapi::ApiPath& path,
                     bool status) {
  const auto kind = patch_kind(media_type(request));
  if (!kind) return kubeapi::status_response(kind.error());
  const bool applies = *kind == PatchKind::kApply;
  if (auto fit = check_options(request, "PatchOptions", applies); !fit) {
    return kubeapi::status_response(fit.error());
  }
  auto options = write_options(request);
  options.patch = *kind;
  const kube::ObjectKey key{path.namespace_, path.name};
  // Of YAML, what is JSON too: that is what kubectl sends.
  auto json = *kind == PatchKind::kJson ? parse_operations(request.body)
                                        : parse_body(request, path.resource->kind);
  if (!json) return kubeapi::status_response(json.error());
  if (applies) {
    auto result = cluster.apply(*path.resource, key, *std::move(json), status, options);
    const int code = result && result->created ? 201 : 200;
    return answer(std::move(result), code);
  }
  return answer(cluster.patch(*path.resource, key, *json, status, options), 200);
}

http::Response handle(Cluster& cluster, const http::Request& request,
                      const kubeapi::ApiPath& path) {
  const auto& resource = *path.resource;
  const bool named = !path.name.empty(), status = path.subresource == "status";
  if (path.legacy_watch || (resource.namespaced && path.namespace_.empty()))
    return kubeapi::method_not_allowed();
  if (request.body.size() > kWriteBytesMax) return kubeapi::status_response(too_large());
  const auto options = write_options(request);
  if (request.method == "POST" && !named) {
    auto object = decode(request, resource);
    if (!object) return kubeapi::status_response(object.error());
    return answer(cluster.create(resource, path.namespace_, std::move(*object), options), 201);
  }
  const kube::ObjectKey key{path.namespace_, path.name};
  if (request.method == "PUT" && named) {
    auto object = decode(request, resource);
    if (!object) return kubeapi::status_response(object.error());
    return answer(cluster.update(resource, key, std::move(*object), status, options), 200);
  }
  if (request.method == "PATCH" && named) return patch(cluster, request, path, status);
  if (request.method == "DELETE" && named && !status) {
    const auto how = delete_options(request);
    if (!how) return kubeapi::status_response(how.error());
    return answer(cluster.remove(resource, key, *how), 200);
  }
  return kubeapi::method_not_allowed();
}

}  // namespace

kubeapi::WriteHandler make_write_handler(Cluster& cluster,
                                         std::function<void()> definitions_changed) {
  return [&cluster, changed = std::move(definitions_changed)](
             http::Request request, kubeapi::ApiPath path) -> base::Task<http::Response> {
    const bool defines = *path.resource == kube::custom_resource_definitions();
    auto response = handle(cluster, request, path);
    if (defines && changed) changed();
    co_return response;
  };
}

}  // namespace podkeeper::simkube
