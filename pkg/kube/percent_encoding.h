#pragma once

#include <string>
#include <string_view>

namespace podkeeper::kube {

/// A value as it stands in a query: all but RFC 3986's unreserved characters as %XX.
std::string percent_encoded(std::string_view text);

}  // namespace podkeeper::kube
