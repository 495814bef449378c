#pragma once

#include "pkg/kube/status.h"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <expected>

namespace podkeeper::simkube {

using Json = nlohmann::ordered_json;

/// More operations in one patch are 413, as upstream's.
inline constexpr std::size_t kJsonPatchOperationsMax = 10'000;
/// Bytes that all "copy" operations of a patch may add, as upstream's: each may double the object.
inline constexpr std::size_t kJsonPatchCopyBytesMax = 3 * 1024 * 1024;
/// Nor may an operation put anything deeper: what follows walks the object by recursion.
inline constexpr std::size_t kJsonPatchDepthMax = 500;

/// Applies a JSON patch (RFC 6902) in place. 400 for what is no list of operations; 413 for too
/// many; 422, without a word on what it was, for one that cannot be done, a failed "test" among
/// them: so upstream answers. The object is then half changed. Pure; O(operations) steps, each as
/// long as what it moves.
std::expected<void, kube::Status> json_patch(Json& object, const Json& patch);

}  // namespace podkeeper::simkube
