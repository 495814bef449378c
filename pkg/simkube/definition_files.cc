#include "pkg/simkube/definition_files.h"

#include <nlohmann/json.hpp>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cstdint>
#include <system_error>
#include <utility>

namespace podkeeper::simkube {
namespace {

constexpr std::size_t kDepthMax = 200;

template <class Number>
bool read_number(const std::string& text, Number& number) {
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stopped == end;
}

/// A plain scalar by YAML 1.2's core schema, as far as Kubernetes' files use it; a quoted one is a
/// text whatever it looks like.
Json scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return text;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (text.empty() || text == "~" || text == "null" || text == "Null") return nullptr;
  std::int64_t whole = 0;
  if (read_number(text, whole)) return whole;
  double number = 0;
  const bool begins_so = text.find_first_of("0123456789") < 2;
  if (begins_so && read_number(text, number)) return number;
  return text;
}

Json to_json(const YAML::Node& node, std::size_t depth) {
  if (depth > kDepthMax) throw YAML::Exception(node.Mark(), "nested too deep");
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return scalar(node);
    case YAML::NodeType::Sequence: {
      Json list = Json::array();
      for (const auto& item : node) list.push_back(to_json(item, depth + 1));
      return list;
    }
    case YAML::NodeType::Map: {
      Json object = Json::object();
      for (const auto& member : node) {
        object[member.first.Scalar()] = to_json(member.second, depth + 1);
      }
      return object;
    }
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null:
      return nullptr;
  }
  return nullptr;
}

base::Error refuse(const std::string& name, const std::string& why) {
  return {base::ErrorCode::kDecode, name + ": " + why};
}

}  // namespace

base::Result<std::vector<Json>> parse_definitions(std::string_view yaml, const std::string& name) {
  if (yaml.size() > kDefinitionBytesMax) {
    return base::Error{base::ErrorCode::kTooLarge,
                       name + ": the limit is " + std::to_string(kDefinitionBytesMax) + " bytes"};
  }
  std::vector<Json> definitions;
  try {
    for (const auto& document : YAML::LoadAll(std::string(yaml))) {
      if (document.IsNull()) continue;
      auto json = to_json(document, 0);
      if (!json.is_object() || json.value("kind", Json()) != "CustomResourceDefinition" ||
          json.value("apiVersion", Json()) != "apiextensions.k8s.io/v1") {
        return refuse(name, "is no CustomResourceDefinition of apiextensions.k8s.io/v1");
      }
      definitions.push_back(std::move(json));
    }
  } catch (const YAML::Exception& e) {
    return refuse(name, e.what());
  }
  return definitions;
}

base::Result<std::vector<Json>> read_definitions(base::Files& files, const std::string& path) {
  const auto text = files.read(path, kDefinitionBytesMax);
  if (!text) return text.error();
  return parse_definitions(*text, path);
}

}  // namespace podkeeper::simkube
