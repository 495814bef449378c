#pragma once

#include "pkg/base/result.h"
#include "pkg/http/message.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace podkeeper::http {

/// Finds where a head ends in bytes that arrive piece by piece, looking at each byte once, and
/// notices what no later reader could: a line that ends without CR, a folded line, an empty first
/// line. Not thread-safe; O(new bytes).
class HeadScanner {
 public:
  enum class State {
    kPartial,  ///< the empty line is still to come
    kComplete,
    kBadLine,  ///< a line without CR, or an empty first line
    kFolded,   ///< a line that continues the one before (obs-fold)
  };
  /// `bytes` is everything since the head's first byte, what earlier calls saw included.
  State scan(std::string_view bytes) noexcept;
  /// After kComplete: bytes of the head, its empty line included.
  [[nodiscard]] std::size_t size() const noexcept { return position_; }
  /// Bytes of the first line without its CRLF, or 0 while it has not ended.
  [[nodiscard]] std::size_t first_line_size() const noexcept { return first_line_size_; }

 private:
  std::size_t position_ = 0;    ///< bytes looked at
  std::size_t line_start_ = 0;  ///< first byte of the current line
  std::size_t first_line_size_ = 0;
};

/// A request line and its fields as they came.
struct RequestHead {
  std::string method;
  std::string target;
  int version_minor = 1;  ///< HTTP/1.0 or HTTP/1.1
  Headers headers;
};

/// A status line and its fields as they came.
struct ResponseHead {
  int status = 0;
  int version_minor = 1;
  Headers headers;
};

/// What makes a head unreadable.
enum class HeadFault {
  kNone,
  kMalformed,
  kVersion,
  kContentLength,
  kTransferEncoding,
  kTooManyFields
};

inline constexpr std::size_t kHeaderFieldsMax = 100;

/// Reads one complete head (as HeadScanner measured it). Beast's parser does the work, fed from
/// memory and with no message behind it, so nothing here waits, allocates by a peer's wish or
/// throws on a peer's bytes.
HeadFault parse_request_head(std::string_view head, RequestHead& into);
HeadFault parse_response_head(std::string_view head, ResponseHead& into);

/// True when a comma-separated field has `token` (any case) among its elements.
bool has_token(std::string_view list, std::string_view token) noexcept;
/// The same over every field named `name`.
bool has_token(const Headers& headers, std::string_view name, std::string_view token) noexcept;

}  // namespace podkeeper::http
