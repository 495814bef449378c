#pragma once

#include <string_view>

namespace podkeeper::policy {

/// The forms that names have in a policy; the patterns of its schema, by hand. O(length).

/// "team-a": a DNS label, at most 63 bytes.
bool is_namespace_name(std::string_view text) noexcept;
/// A namespace's name, or the beginning of one and an asterisk: "ci-*", "*".
bool is_namespace_pattern(std::string_view text) noexcept;
/// "pods", "deployments.apps".
bool is_plural_group(std::string_view text) noexcept;

}  // namespace podkeeper::policy
