#pragma once

#include <string>
#include <string_view>

namespace podkeeper::kube {

/// The text of a scalar in an object's body (see Object::body), by its path: "spec.strategy". A
/// string without its quotes and escapes, a number or boolean as it is written, empty for what is
/// not there, null, or no scalar; as field selectors over custom resources compare. O(body).
std::string field_text(std::string_view body, std::string_view path) noexcept;

}  // namespace podkeeper::kube
