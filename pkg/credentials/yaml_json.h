#pragma once

#include <string>

namespace YAML {
class Node;
}

namespace podkeeper::credentials {

/// A YAML node as compact JSON: plain scalars become null, booleans and numbers as YAML 1.2's core
/// schema has them, quoted ones are strings. Empty beyond kYamlDepthMax.
std::string yaml_to_json(const YAML::Node& node);

inline constexpr int kYamlDepthMax = 32;
/// Aliases are written out; what they multiply beyond this gives nothing.
inline constexpr std::size_t kYamlNodesMax = 10'000;

}  // namespace podkeeper::credentials
