#pragma once

#include "pkg/base/files.h"
#include "pkg/base/result.h"

#include <nlohmann/json_fwd.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::simkube {

using Json = nlohmann::ordered_json;

/// podkeeper's own definitions: the YAML of config/crd/bases as it was when this was built.
std::span<const std::string_view> embedded_definitions() noexcept;

/// The documents of a YAML text (JSON is YAML too) as JSON, each of which must be a
/// CustomResourceDefinition; `name` tells errors where they are. kDecode for what is none,
/// kTooLarge above kDefinitionBytesMax.
base::Result<std::vector<Json>> parse_definitions(std::string_view yaml, const std::string& name);
inline constexpr std::size_t kDefinitionBytesMax = 4 << 20;

/// The same from a file: kIo or kNotFound with its path. Blocks: at start only.
base::Result<std::vector<Json>> read_definitions(base::Files& files, const std::string& path);

}  // namespace podkeeper::simkube
