#pragma once

#include <string>
#include <string_view>

namespace podkeeper::simkube {

/// Whether `text` is of the string format `name`, of those that schemas of Kubernetes use:
/// date-time, date, duration, uuid, ipv4, ipv6, cidr, byte and hostname. Every other format accepts
/// everything, as upstream does with those it does not know. Pure; O(text).
bool has_format(std::string_view name, const std::string& text);

}  // namespace podkeeper::simkube
