#pragma once

#include <nlohmann/json_fwd.hpp>

#include <expected>
#include <string>

namespace podkeeper::simkube {

using Json = nlohmann::ordered_json;

/// Applies a strategic merge patch in place: a merge patch in which some lists merge too, element
/// by element by a key, and directives ("$patch", "$retainKeys", "$setElementOrder/...",
/// "$deleteFromPrimitiveList/...") say what a merge cannot. Which lists merge is a table of the
/// built-in types that are served here. The error says what of the patch makes no sense; the object
/// is then half changed. Pure; recursion as deep as the patch.
/// Source: strategic-merge-patch.md of Kubernetes' SIG API Machinery.
std::expected<void, std::string> strategic_merge(Json& object, const Json& patch);

}  // namespace podkeeper::simkube
