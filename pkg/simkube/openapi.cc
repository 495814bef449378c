#include "pkg/simkube/openapi.h"

#include "pkg/kubeapi/errors.h"
#include "pkg/simkube/cluster_state.h"
#include "pkg/simkube/openapi_v2.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace podkeeper::simkube {
namespace {

/// What clients accept; the '@' makes it no media type by RFC 2045, so the answer is named without,
/// as upstream names it.
constexpr std::string_view kProtobufAsked =
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
constexpr std::string_view kProtobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
constexpr std::string_view kIndexPath = "/openapi/v3";

/// "api/v1", or "apis/podkeeper.dev/v1alpha1".
std::string document_name(const kube::Resource& resource) { return resource.api_root().substr(1); }

Json parameter(const char* name, const char* in, bool needed) {
  Json parameter = {{"name", name}, {"in", in}, {"schema", {{"type", "string"}}}};
  if (needed) parameter["required"] = true;
  return parameter;
}

Json operation(const kube::Resource& resource, const char* action, bool writes) {
  const Json reference = {{"$ref", "#/components/schemas/" + openapi_schema_name(resource)}};
  const Json content = {{"application/json", {{"schema", reference}}}};
  Json operation = {{"operationId", action + resource.kind},
                    {"responses", {{"200", {{"description", "OK"}, {"content", content}}}}},
                    {"x-kubernetes-action", action},
                    {"x-kubernetes-group-version-kind", openapi_kind(resource)}};
  if (!writes) return operation;
  Json parameters = Json::array();
  for (const char* name : {"dryRun", "fieldManager", "fieldValidation"}) {
    parameters.push_back(parameter(name, "query", false));
  }
  operation["parameters"] = std::move(parameters);
  operation["requestBody"] = {{"content", content}};
  return operation;
}

void add_paths(const kube::Resource& resource, Json& paths) {
  const std::string collection =
      resource.namespaced ? resource.path("{namespace}") : resource.path();
  Json variables = Json::array();
  if (resource.namespaced) {
    variables.push_back(parameter("namespace", "path", true));
    paths[resource.path()] = {{"get", operation(resource, "list", false)}};
  }
  paths[collection] = {{"get", operation(resource, "list", false)},
                       {"post", operation(resource, "post", true)},
                       {"parameters", variables}};
  variables.push_back(parameter("name", "path", true));
  paths[collection + "/{name}"] = {{"get", operation(resource, "get", false)},
                                   {"put", operation(resource, "put", true)},
                                   {"patch", operation(resource, "patch", true)},
                                   {"delete", operation(resource, "delete", true)},
                                   {"parameters", variables}};
}

std::string fingerprint(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a: names a content, nothing more
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return std::to_string(hash);
}

/// The document of one group and version; empty where nothing of it is served.
std::string document(const std::string& name, const Cluster::Offer& offer) {
  Json paths = Json::object(), schemas = Json::object();
  for (const auto& served : offer.served) {
    if (document_name(served.resource) != name) continue;
    add_paths(served.resource, paths);
    schemas[openapi_schema_name(served.resource)] = openapi_schema(served.resource, offer);
  }
  if (paths.empty()) return "";
  return body_text({{"openapi", "3.0.0"},
                    {"info", {{"title", kOpenApiTitle}, {"version", kOpenApiVersion}}},
                    {"paths", std::move(paths)},
                    {"components", {{"schemas", std::move(schemas)}}}});
}

std::string index(const Cluster::Offer& offer) {
  Json paths = Json::object();
  for (const auto& served : offer.served) {
    const auto name = document_name(served.resource);
    if (paths.contains(name)) continue;
    const auto hash = fingerprint(document(name, offer));
    paths[name] = {{"serverRelativeURL", std::string(kIndexPath) + "/" + name + "?hash=" + hash}};
  }
  return body_text({{"paths", std::move(paths)}});
}

http::Response answer_v2(const http::Request& request, const Cluster::Offer& offer) {
  http::Response response;
  const auto accepted = request.headers.get("Accept").value_or("");
  if (accepted.contains(kProtobufAsked) || accepted.contains(kProtobuf)) {
    response.content_type = kProtobuf;
    response.body = openapi_v2_document(offer);
  } else {
    response.body = body_text({{"swagger", "2.0"},
                               {"info", {{"title", kOpenApiTitle}, {"version", kOpenApiVersion}}},
                               {"paths", Json::object()},
                               {"definitions", Json::object()}});
  }
  return response;
}

}  // namespace

std::string openapi_schema_name(const kube::Resource& resource) {
  std::string name;
  std::string_view group = resource.group.empty() ? "core" : std::string_view(resource.group);
  while (!group.empty()) {
    const auto dot = group.rfind('.');
    name += std::string(group.substr(dot == std::string_view::npos ? 0 : dot + 1)) + ".";
    group = dot == std::string_view::npos ? std::string_view() : group.substr(0, dot);
  }
  return name + resource.version + "." + resource.kind;
}

Json openapi_kind(const kube::Resource& resource) {
  return {{"group", resource.group}, {"kind", resource.kind}, {"version", resource.version}};
}

Json openapi_schema(const kube::Resource& resource, const Cluster::Offer& offer) {
  Json schema = {{"type", "object"}};
  for (const auto& definition : offer.definitions) {
    const auto& stored = definition->storage().resource;
    if (stored.group != resource.group || stored.plural != resource.plural) continue;
    if (const auto* const version = definition->find(resource.version)) {
      schema = Json::parse(version->schema_text);
    }
  }
  for (const auto& [key, description] :
       {std::pair("apiVersion", "The versioned schema of this object."),
        std::pair("kind", "The REST resource this object represents.")}) {
    schema["properties"][key] = {{"type", "string"}, {"description", description}};
  }
  schema["properties"]["metadata"] = {{"type", "object"},
                                      {"description", "Standard object's metadata."}};
  schema["x-kubernetes-group-version-kind"] = Json::array({openapi_kind(resource)});
  return schema;
}

http::Response answer_openapi(const http::Request& request, const Cluster::Offer& offer) {
  if (request.method != "GET") return kubeapi::method_not_allowed();
  const std::string_view path = request.target.path;
  if (path == "/openapi/v2") return answer_v2(request, offer);
  if (path == kIndexPath) return http::Response::json(200, index(offer));
  if (path.starts_with(kIndexPath)) {
    auto text = document(std::string(path.substr(kIndexPath.size() + 1)), offer);
    if (!text.empty()) return http::Response::json(200, std::move(text));
  }
  return kubeapi::no_such_path();
}

}  // namespace podkeeper::simkube
