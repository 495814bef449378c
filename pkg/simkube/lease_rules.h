#pragma once

#include "pkg/kube/status.h"

#include <nlohmann/json_fwd.hpp>

#include <expected>

namespace podkeeper::simkube {

/// What upstream asks of a Lease: times with exactly six digits behind the point (else 400, for it
/// cannot be decoded), a duration above 0 (else 422).
std::expected<void, kube::Status> check_lease(const nlohmann::ordered_json& object);

}  // namespace podkeeper::simkube
