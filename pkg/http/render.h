#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/task_context.h"
#include "pkg/http/message.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace podkeeper::http {

/// "OK" for 200; empty for a status that has no name.
std::string_view reason_of(int status) noexcept;

/// The Date header's value, formatted once a second. Not thread-safe: one per connection.
class DateCache {
 public:
  /// "Sun, 06 Nov 1994 08:49:37 GMT"; valid until the next call.
  std::string_view at(base::WallTime now);

 private:
  std::int64_t second_ = -1;
  std::string text_;
};

/// What stands in an answer's head beside the Response itself.
struct HeadContext {
  std::string_view date;
  base::TraceContext trace;
  bool keep_alive = true;
  bool chunked = false;
  std::optional<std::size_t>
      content_length;  ///< none: chunked, or ended by close, or no body is allowed
};

/// Appends status line and fields with the empty line. A field of the Response that would break the
/// framing (a control character, or a name that is the server's own) is a bug of the handler:
/// PK_CHECK.
void append_head(std::string& out, const Response& response, const HeadContext& context);

/// "1a2b\r\n": a chunk's size line.
std::string_view chunk_size_line(std::size_t size, char (&buffer)[20]) noexcept;

/// True for bytes that may stand in a field's value.
bool field_value_like(std::string_view value) noexcept;

}  // namespace podkeeper::http
