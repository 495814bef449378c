#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace podkeeper::kube {

/// The member, or null where `object` is none or lacks it. Lives as long as `object`. O(log
/// members).
const nlohmann::json& member_of(const nlohmann::json& object, const char* key);
/// The member's text; empty where it has none.
std::string text_of(const nlohmann::json& object, const char* key);

}  // namespace podkeeper::kube
