#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace podkeeper::credentials {

/// RFC 4648 base64 with its padding; line ends between characters are passed over, as Go does.
/// Empty where it is something else.
std::optional<std::string> base64_decoded(std::string_view text);
std::string base64_encoded(std::string_view bytes);

}  // namespace podkeeper::credentials
