#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace podkeeper::base {

/// What went wrong, as a closed set: every code says who is to act on it.
enum class ErrorCode {
  kCancelled,        ///< the task was asked to stop
  kInvalidArgument,  ///< the caller's input; trying again does not help
  kUnauthorized,     ///< who are you
  kForbidden,        ///< you may not
  kNotFound,
  kMethodNotAllowed,
  kNotAcceptable,  ///< none of the offered representations is wanted
  kAlreadyExists,
  kConflict,  ///< the object changed since it was read
  kExpired,   ///< the asked revision is no longer in the history
  kTooLarge,  ///< a limit on size was reached
  kUnsupportedMediaType,
  kUnprocessable,    ///< well-formed, but against the rules
  kTooManyRequests,  ///< wait, then try again
  kTimeout,          ///< a deadline passed
  kUnavailable,      ///< the peer is away; try again
  kProtocol,         ///< the peer broke the protocol
  kDecode,           ///< bytes that are not what they should be
  kIo,               ///< the operating system refused
  kInternal,         ///< our own fault, already recorded as a panic
};

/// "NotFound", "Conflict", ...: the code as it stands in answers and logs.
std::string_view to_string(ErrorCode code) noexcept;

/// True where trying the same again may succeed (Timeout, Unavailable, TooManyRequests, Protocol,
/// Decode, Io).
bool retryable(ErrorCode code) noexcept;

/// A fault of the world (peer, file, user), as a value. The message names the thing, the value and
/// what to do.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::optional<std::chrono::milliseconds> retry_after =
      {};  ///< what the peer asked for, if it did

  [[nodiscard]] bool retryable() const noexcept { return base::retryable(code); }
};

/// A value or an Error. Dropping one unread is a compile error.
template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
  // NOLINTNEXTLINE(google-explicit-constructor): `return Error{...};` is the point.
  Result(Error error) : std::expected<T, Error>(std::unexpect, std::move(error)) {}
};

}  // namespace podkeeper::base
