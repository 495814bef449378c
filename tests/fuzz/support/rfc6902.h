#pragma once

#include <nlohmann/json.hpp>

#include <optional>

namespace podkeeper::fuzz {

/// A second reading of RFC 6902, made for nothing but to be compared with: the document after the
/// patch, or nothing where one of the operations must fail. Without limits of its own.
std::optional<nlohmann::ordered_json> patched(nlohmann::ordered_json document,
                                              const nlohmann::ordered_json& patch);

}  // namespace podkeeper::fuzz
