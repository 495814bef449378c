#pragma once

#include "pkg/http/head.h"

#include <cstdint>
#include <expected>

namespace podkeeper::http {

/// Why the server did not give a request to its route: the closed label set of
/// podkeeper_http_rejected_total.
enum class Rejection {
  kMalformed,             ///< 400: bytes that are not an HTTP/1 head
  kObsoleteFold,          ///< 400: a folded header line
  kVersion,               ///< 400: not HTTP/1.0 or HTTP/1.1
  kMethod,                ///< 400: not an upper-case word of at most kMethodBytesMax letters
  kHost,                  ///< 400: none or several in HTTP/1.1, or not a host
  kTransferEncoding,      ///< 400: any at all; a body comes with Content-Length
  kContentLength,         ///< 400: several, a list, signed, or not a number
  kTarget,                ///< 400: not canonical
  kImpersonation,         ///< 400: Impersonate-*, which would be ignored where it must not be
  kTargetTooLong,         ///< 414
  kHeaderTooLarge,        ///< 431
  kBodyTooLarge,          ///< 413
  kExpectation,           ///< 417: anything but 100-continue
  kHeaderTimeout,         ///< 408: the head did not come in time
  kBodyTimeout,           ///< 408: the body did not come in time
  kInflight,              ///< 429: too many requests at once
  kAnswers,               ///< 429: too many large answers at once
  kConnections,           ///< 503: too many connections
  kConnectionsPerSource,  ///< 503: too many from this address
  kOverload,              ///< 503: memory is nearly used up
  kTasks,                 ///< no answer: too many tasks in the process
};
inline constexpr std::size_t kRejections = static_cast<std::size_t>(Rejection::kTasks) + 1;
const char* to_string(Rejection rejection) noexcept;
int status_of(Rejection rejection) noexcept;
/// What the client is told: what is wrong and what to do.
const char* message_of(Rejection rejection) noexcept;

inline constexpr std::size_t kMethodBytesMax = 16;

/// How a well-framed request goes on after its head.
struct RequestFraming {
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  bool expects_continue = false;
};

/// The rules of RFC 9112 that decide where a request ends, in their strictest reading: whatever two
/// servers could read differently is refused. Pure; O(fields).
std::expected<RequestFraming, Rejection> check_request(const RequestHead& head);

/// How an answer's body is delimited.
struct ResponseFraming {
  enum class Body { kNone, kLength, kChunked, kUntilClose };
  Body body = Body::kNone;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
};

/// The same for an answer to `method`; kProtocol names the rule that was broken. An answer with
/// neither length nor chunks is accepted only where the peer said that it closes, since its end
/// could not be told from a cut.
base::Result<ResponseFraming> check_response(const ResponseHead& head, std::string_view method);

}  // namespace podkeeper::http
