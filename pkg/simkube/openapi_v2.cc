#include "pkg/simkube/openapi_v2.h"

#include "pkg/simkube/openapi.h"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace podkeeper::simkube {
namespace {

/// Field numbers of gnostic's openapiv2/OpenAPIv2.proto, as far as they are written here.
enum class Document : unsigned { kSwagger = 1, kInfo = 2, kPaths = 8, kDefinitions = 9 };
enum class Info : unsigned { kTitle = 1, kVersion = 2 };
enum class Named : unsigned { kName = 1, kValue = 2 };
enum class Only : unsigned { kFirst = 1 };  // Definitions, Properties, ItemsItem, TypeItem, ...
enum class Paths : unsigned { kPath = 2 };
enum class PathItem : unsigned { kPatch = 8 };
enum class Operation : unsigned { kParameters = 8, kVendorExtension = 13 };
enum class Parameter : unsigned { kNonBody = 2 };
enum class NonBody : unsigned { kQuery = 3 };
enum class Query : unsigned { kIn = 2, kName = 4, kType = 6 };
enum class Field : unsigned {
  kFormat = 2,
  kDescription = 4,
  kRequired = 19,
  kAdditionalProperties = 21,
  kType = 22,
  kItems = 23,
  kProperties = 25,
  kVendorExtension = 31
};
enum class Any : unsigned { kYaml = 2 };

/// A field of a message: a text, or a message within.
template <class Number>
void add(std::string& message, Number number, std::string_view bytes) {
  constexpr unsigned kLengthDelimited = 2, kLowBits = 127, kMoreFollows = 128;
  const auto add_number = [&](std::size_t value) {
    while (value > kLowBits) {
      message += static_cast<char>((value & kLowBits) | kMoreFollows);
      value >>= 7U;
    }
    message += static_cast<char>(value);
  };
  add_number((static_cast<std::size_t>(number) << 3U) | kLengthDelimited);
  add_number(bytes.size());
  message += bytes;
}

template <class Number>
std::string only(Number number, std::string_view bytes) {
  std::string message;
  add(message, number, bytes);
  return message;
}

std::string named(std::string_view name, std::string_view value) {
  std::string message;
  add(message, Named::kName, name);
  add(message, Named::kValue, value);
  return message;
}

/// Schemas come from definitions that were compiled, so they are no deeper than kSchemaDepthMax.
std::string schema_message(const Json& schema) {
  std::string message;
  const auto add_text = [&](Field field, const char* key) {
    const auto found = schema.find(key);
    if (found == schema.end() || !found->is_string()) return;
    add(message, field, found->get_ref<const std::string&>());
  };
  add_text(Field::kFormat, "format");
  add_text(Field::kDescription, "description");
  for (const auto& name : schema.value("required", Json::array())) {
    if (name.is_string()) add(message, Field::kRequired, name.get_ref<const std::string&>());
  }
  if (const auto more = schema.find("additionalProperties");
      more != schema.end() && more->is_object()) {
    add(message, Field::kAdditionalProperties, only(Only::kFirst, schema_message(*more)));
  }
  // What any value may stand for has no type in this version of OpenAPI.
  const bool anything = schema.value("x-kubernetes-preserve-unknown-fields", false) ||
                        schema.value("x-kubernetes-int-or-string", false);
  if (const auto type = schema.find("type"); !anything && type != schema.end()) {
    add(message, Field::kType, only(Only::kFirst, type->get<std::string>()));
  }
  if (const auto items = schema.find("items"); items != schema.end()) {
    add(message, Field::kItems, only(Only::kFirst, schema_message(*items)));
  }
  std::string properties;
  for (const auto& [name, member] : schema.value("properties", Json::object()).items()) {
    add(properties, Only::kFirst, named(name, schema_message(member)));
  }
  if (!properties.empty() && !anything) add(message, Field::kProperties, properties);
  return message;
}

std::string kind_extension(const std::string& json) {
  // JSON is YAML.
  return named("x-kubernetes-group-version-kind", only(Any::kYaml, json));
}

/// Where one object of the resource is: that its PATCH takes dryRun is what kubectl looks for
/// before `--dry-run=server`.
std::string path_message(const kube::Resource& resource) {
  std::string query;
  add(query, Query::kIn, "query");
  add(query, Query::kName, "dryRun");
  add(query, Query::kType, "string");
  std::string patch;
  add(patch, Operation::kParameters,
      only(Only::kFirst, only(Parameter::kNonBody, only(NonBody::kQuery, query))));
  add(patch, Operation::kVendorExtension, kind_extension(openapi_kind(resource).dump()));
  const auto collection = resource.namespaced ? resource.path("{namespace}") : resource.path();
  return named(collection + "/{name}", only(PathItem::kPatch, patch));
}

}  // namespace

std::string openapi_v2_document(const Cluster::Offer& offer) {
  std::string paths, definitions;
  for (const auto& served : offer.served) add(paths, Paths::kPath, path_message(served.resource));
  for (const auto& definition : offer.definitions) {
    for (const auto& version : definition->versions) {
      if (!version.served) continue;
      const Json schema = openapi_schema(version.resource, offer);
      std::string message = schema_message(schema);
      add(message, Field::kVendorExtension,
          kind_extension(schema["x-kubernetes-group-version-kind"].dump()));
      add(definitions, Only::kFirst, named(openapi_schema_name(version.resource), message));
    }
  }
  std::string info;
  add(info, Info::kTitle, kOpenApiTitle);
  add(info, Info::kVersion, kOpenApiVersion);
  std::string document;
  add(document, Document::kSwagger, "2.0");
  add(document, Document::kInfo, info);
  add(document, Document::kPaths, paths);
  add(document, Document::kDefinitions, definitions);
  return document;
}

}  // namespace podkeeper::simkube
