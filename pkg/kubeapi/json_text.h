#pragma once

#include "pkg/http/message.h"

#include <string>
#include <string_view>

namespace podkeeper::kubeapi {

/// `text` as a JSON string with its quotes, escaped as kube::append_json_string does it.
std::string json_string(std::string_view text);

/// The value that begins at `json[0]` (an object, an array, a string or a scalar), without what
/// follows it. The text must be valid JSON. O(length of the value).
std::string_view first_value(std::string_view json) noexcept;

/// The same JSON, indented by two spaces as Go's json.Indent does it; strings keep their escapes.
/// O(n).
std::string indent_json(http::GatheredBody json);

/// base64url without padding, as continue tokens use it.
std::string base64url_encode(std::string_view bytes);
/// False where `text` is no base64url; `error_at` is then the offset of the first bad byte.
bool base64url_decode(std::string_view text, std::string& bytes, std::size_t& error_at);

}  // namespace podkeeper::kubeapi
