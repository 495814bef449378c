#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace podkeeper::kube {

/// Appends `text` as a JSON string with its quotes, escaped byte for byte as Go's encoding/json
/// does it by default:
/// <, > and & and the line separators U+2028 and U+2029 as \u escapes, bytes that are no UTF-8 as
/// \ufffd. O(bytes).
void append_json_string(std::string& out, std::string_view text);

/// The length of the UTF-8 character `text` begins with, or 0 where it begins with none. Not for an
/// empty text.
std::size_t utf8_length(std::string_view text) noexcept;

/// `text` with U+FFFD in the place of each byte that is no UTF-8, as Go's encoding/json reads it;
/// nothing where it is UTF-8 already. O(bytes).
std::optional<std::string> repaired_utf8(std::string_view text);

}  // namespace podkeeper::kube
