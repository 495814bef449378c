#include "pkg/simkube/definition.h"

#include "pkg/simkube/rules.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace podkeeper::simkube {
namespace {

const Json& at(const Json& object, const char* key) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(key);
  return found == object.end() ? kNothing : *found;
}

std::string text(const Json& object, const char* key) {
  const auto& value = at(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

bool truth(const Json& object, const char* key) { return at(object, key) == true; }

std::vector<std::string> texts(const Json& object, const char* key) {
  std::vector<std::string> texts;
  const auto& value = at(object, key);
  if (!value.is_array()) return texts;
  for (const auto& one : value) {
    if (one.is_string()) texts.push_back(one.get<std::string>());
  }
  return texts;
}

std::string lower(std::string text) {
  for (auto& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return text;
}

/// Reads the parts of one definition and collects the faults.
class DefinitionReader {
 public:
  std::shared_ptr<const Definition> read(const Json& object);
  std::vector<Fault> faults;

 private:
  kube::Resource read_names(const Json& spec);
  CustomVersion read_version(const Json& version, const kube::Resource& names,
                             const std::string& path);
  void read_columns(const Json& version, const std::string& path, CustomVersion& into);
  void read_selectable(const Json& version, const std::string& path, CustomVersion& into);
  std::string needed(const Json& object, const char* key, const std::string& path) {
    auto value = text(object, key);
    if (value.empty()) faults.push_back(required(path + "." + key));
    return value;
  }
};

kube::Resource DefinitionReader::read_names(const Json& spec) {
  kube::Resource names;
  names.group = needed(spec, "group", "spec");
  const auto& given = at(spec, "names");
  names.plural = needed(given, "plural", "spec.names");
  names.kind = needed(given, "kind", "spec.names");
  names.singular = text(given, "singular");
  names.short_names = texts(given, "shortNames");
  names.categories = texts(given, "categories");
  const auto& scope = at(spec, "scope");
  if (scope != "Namespaced" && scope != "Cluster") {
    faults.push_back(unsupported("spec.scope", scope, {"Cluster", "Namespaced"}));
  }
  names.namespaced = scope == "Namespaced";
  if (!names.group.empty() && (!is_dns_subdomain(names.group) || !names.group.contains('.'))) {
    faults.push_back(
        invalid_value("spec.group", names.group, "should be a domain with at least one dot"));
  }
  return names;
}

void DefinitionReader::read_columns(const Json& version, const std::string& path,
                                    CustomVersion& into) {
  const auto& given = at(version, "additionalPrinterColumns");
  if (given.is_array()) {
    std::size_t index = 0;
    for (const auto& column : given) {
      const auto where = path + ".additionalPrinterColumns[" + std::to_string(index++) + "]";
      auto json_path = kubeapi::JsonPath::parse(text(column, "jsonPath"));
      if (!json_path) {
        faults.push_back(
            invalid_value(where + ".jsonPath", at(column, "jsonPath"), json_path.error().message));
        continue;
      }
      static const std::vector<Json> kTypes = {"boolean", "date", "integer", "number", "string"};
      const auto& type = at(column, "type");
      if (std::ranges::find(kTypes, type) == kTypes.end()) {
        faults.push_back(unsupported(where + ".type", type, kTypes));
        continue;
      }
      auto description = text(column, "description");
      if (description.empty()) {
        description =
            "Custom resource definition column (in JSONPath format): " + text(column, "jsonPath");
      }
      const auto& priority = at(column, "priority");
      into.columns.push_back({needed(column, "name", where), type.get<std::string>(),
                              text(column, "format"), std::move(description),
                              priority.is_number_integer() ? priority.get<std::int32_t>() : 0,
                              std::move(*json_path)});
    }
  }
  if (!into.columns.empty()) return;
  // As upstream: without columns of its own a resource shows its age.
  into.columns.push_back(kubeapi::age_column());
}

void DefinitionReader::read_selectable(const Json& version, const std::string& path,
                                       CustomVersion& into) {
  const auto& given = at(version, "selectableFields");
  if (!given.is_array()) return;
  std::size_t index = 0;
  for (const auto& field : given) {
    const auto json_path = text(field, "jsonPath");
    const auto where = path + ".selectableFields[" + std::to_string(index++) + "].jsonPath";
    if (!json_path.starts_with('.') || json_path.find_first_of("[]\\") != std::string::npos) {
      faults.push_back(invalid_value(where, json_path, "must be a simple path of fields"));
    } else {
      into.resource.selectable_fields.push_back(json_path.substr(1));
    }
  }
}

CustomVersion DefinitionReader::read_version(const Json& version, const kube::Resource& names,
                                             const std::string& path) {
  CustomVersion into;
  into.resource = names;
  into.resource.version = needed(version, "name", path);
  into.served = truth(version, "served");
  into.has_status = at(at(version, "subresources"), "status").is_object();
  const auto& given = at(at(version, "schema"), "openAPIV3Schema");
  if (given.is_null()) {
    faults.push_back(required(path + ".schema.openAPIV3Schema", "schemas are required"));
    return into;
  }
  auto schema = compile_schema(given, path + ".schema.openAPIV3Schema");
  into.schema_text = given.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (schema) {
    into.schema = std::move(*schema);
  } else {
    for (auto& fault : schema.error()) faults.push_back(std::move(fault));
  }
  read_columns(version, path, into);
  read_selectable(version, path, into);
  return into;
}

std::shared_ptr<const Definition> DefinitionReader::read(const Json& object) {
  auto definition = std::make_shared<Definition>();
  definition->name = text(at(object, "metadata"), "name");
  const auto& spec = at(object, "spec");
  const auto names = read_names(spec);
  if (definition->name != names.plural_group()) {
    faults.push_back(invalid_value("metadata.name", definition->name,
                                   "must be spec.names.plural+\".\"+spec.group"));
  }
  const auto& versions = at(spec, "versions");
  std::size_t stored = 0;
  if (versions.is_array()) {
    for (std::size_t index = 0; index < versions.size(); ++index) {
      if (truth(versions[index], "storage")) {
        definition->stored = index;
        ++stored;
      }
      definition->versions.push_back(
          read_version(versions[index], names, "spec.versions[" + std::to_string(index) + "]"));
    }
  }
  if (stored != 1) {
    faults.push_back(invalid_value("spec.versions", versions.is_array() ? versions : Json::array(),
                                   "must have exactly one version marked as storage version"));
  }
  return definition;
}

}  // namespace

const CustomVersion* Definition::find(std::string_view version) const {
  for (const auto& one : versions) {
    if (one.resource.version == version && one.served) return &one;
  }
  return nullptr;
}

std::expected<std::shared_ptr<const Definition>, kube::Status> read_definition(const Json& object) {
  DefinitionReader reader;
  auto definition = reader.read(object);
  if (reader.faults.empty()) return definition;
  return std::unexpected(
      invalid(kube::custom_resource_definitions(), definition->name, reader.faults));
}

void default_definition(Json& object) {
  if (!object.contains("spec") || !object["spec"].is_object()) return;
  auto& spec = object["spec"];
  if (spec.contains("names") && spec["names"].is_object()) {
    auto& names = spec["names"];
    const auto kind = text(names, "kind");
    if (text(names, "singular").empty()) names["singular"] = lower(kind);
    if (text(names, "listKind").empty()) names["listKind"] = kind + "List";
  }
  if (!spec.contains("conversion")) spec["conversion"] = {{"strategy", "None"}};
}

std::vector<Fault> check_change(const Definition& current, const Definition& next) {
  const auto& was = current.storage().resource;
  const auto& is = next.storage().resource;
  std::vector<Fault> faults;
  const auto stays = [&](const char* field, const std::string& before, const std::string& after) {
    if (before != after) faults.push_back(invalid_value(field, after, "field is immutable"));
  };
  stays("spec.group", was.group, is.group);
  stays("spec.names.plural", was.plural, is.plural);
  stays("spec.names.kind", was.kind, is.kind);
  stays("spec.scope", was.namespaced ? "Namespaced" : "Cluster",
        is.namespaced ? "Namespaced" : "Cluster");
  return faults;
}

Json established_status(const Json& object, const std::string& now) {
  const auto condition = [&](const char* type, const char* reason, const char* message) {
    return Json{{"type", type},
                {"status", "True"},
                {"lastTransitionTime", now},
                {"reason", reason},
                {"message", message}};
  };
  Json status = Json::object();
  status["conditions"] = Json::array(
      {condition("NamesAccepted", "NoConflicts", "no conflicts found"),
       condition("Established", "InitialNamesAccepted", "the initial names have been accepted")});
  status["acceptedNames"] = object["spec"]["names"];
  Json stored = Json::array();
  for (const auto& version : object["spec"]["versions"]) {
    if (truth(version, "storage")) stored.push_back(version["name"]);
  }
  status["storedVersions"] = std::move(stored);
  return status;
}

}  // namespace podkeeper::simkube
