#include "pkg/http/framing.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace podkeeper::http {
namespace {

/// 1*DIGIT without overflow: no sign, no list, no blanks.
std::optional<std::uint64_t> parse_length(std::string_view text) noexcept {
  std::uint64_t length = 0;
  const char* const last = text.data() + text.size();
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), last, length);
  if (error != std::errc{} || end != last) return std::nullopt;
  return length;
}

bool host_like(std::string_view host) noexcept {
  return std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~!$&'()*+,=:%[]").find(c) != std::string_view::npos;
  });
}

bool method_like(std::string_view method) noexcept {
  return method.size() <= kMethodBytesMax &&
         std::ranges::all_of(method, [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; });
}

/// Impersonate-User and the like, also as a gateway would read them that takes '_' for '-'.
bool impersonates(std::string_view name) noexcept {
  constexpr std::string_view kPrefix = "impersonate";
  return name.size() > kPrefix.size() &&
         (name[kPrefix.size()] == '-' || name[kPrefix.size()] == '_') &&
         equal_ignoring_case(name.substr(0, kPrefix.size()), kPrefix);
}

bool keeps_alive(int version_minor, const Headers& headers) noexcept {
  return version_minor == 1 && !has_token(headers, "Connection", "close");
}

base::Error broken(std::string_view rule) {
  return base::Error{base::ErrorCode::kProtocol, "answer of the server: " + std::string(rule)};
}

}  // namespace

const char* to_string(Rejection rejection) noexcept {
  switch (rejection) {
    case Rejection::kMalformed:
      return "malformed";
    case Rejection::kObsoleteFold:
      return "obsolete_fold";
    case Rejection::kVersion:
      return "version";
    case Rejection::kMethod:
      return "method";
    case Rejection::kHost:
      return "host";
    case Rejection::kTransferEncoding:
      return "transfer_encoding";
    case Rejection::kContentLength:
      return "content_length";
    case Rejection::kTarget:
      return "target";
    case Rejection::kImpersonation:
      return "impersonation";
    case Rejection::kTargetTooLong:
      return "target_too_long";
    case Rejection::kHeaderTooLarge:
      return "header_too_large";
    case Rejection::kBodyTooLarge:
      return "body_too_large";
    case Rejection::kExpectation:
      return "expectation";
    case Rejection::kHeaderTimeout:
      return "header_timeout";
    case Rejection::kBodyTimeout:
      return "body_timeout";
    case Rejection::kInflight:
      return "inflight";
    case Rejection::kAnswers:
      return "answers";
    case Rejection::kConnections:
      return "connections";
    case Rejection::kConnectionsPerSource:
      return "connections_per_source";
    case Rejection::kOverload:
      return "overload";
    case Rejection::kTasks:
      return "tasks";
  }
  return "malformed";
}

int status_of(Rejection rejection) noexcept {
  switch (rejection) {
    case Rejection::kTargetTooLong:
      return 414;
    case Rejection::kHeaderTooLarge:
      return 431;
    case Rejection::kBodyTooLarge:
      return 413;
    case Rejection::kExpectation:
      return 417;
    case Rejection::kHeaderTimeout:
    case Rejection::kBodyTimeout:
      return 408;
    case Rejection::kInflight:
    case Rejection::kAnswers:
      return 429;
    case Rejection::kConnections:
    case Rejection::kConnectionsPerSource:
    case Rejection::kOverload:
    case Rejection::kTasks:
      return 503;
    default:
      return 400;
  }
}

const char* message_of(Rejection rejection) noexcept {
  switch (rejection) {
    case Rejection::kMalformed:
      return "The request is not well-formed HTTP/1.1.";
    case Rejection::kObsoleteFold:
      return "A header line is folded; write it on one line.";
    case Rejection::kVersion:
      return "Speak HTTP/1.1.";
    case Rejection::kMethod:
      return "The method is not an upper-case word.";
    case Rejection::kHost:
      return "HTTP/1.1 wants exactly one valid Host header.";
    case Rejection::kTransferEncoding:
      return "Send the body with Content-Length, not with Transfer-Encoding.";
    case Rejection::kContentLength:
      return "Content-Length must be one plain number.";
    case Rejection::kTarget:
      return "The request target is not canonical.";
    case Rejection::kImpersonation:
      return "Impersonation is not supported; ask as yourself.";
    case Rejection::kTargetTooLong:
      return "The request target is too long.";
    case Rejection::kHeaderTooLarge:
      return "The request header is too large.";
    case Rejection::kBodyTooLarge:
      return "The request body is larger than this server accepts.";
    case Rejection::kExpectation:
      return "The only expectation understood is 100-continue.";
    case Rejection::kHeaderTimeout:
    case Rejection::kBodyTimeout:
      return "The request did not arrive in time.";
    case Rejection::kInflight:
      return "Too many requests, please try again later.";
    case Rejection::kAnswers:
      return "Too many large answers at once, please try again later.";
    case Rejection::kConnections:
    case Rejection::kConnectionsPerSource:
      return "Too many connections, please try again later.";
    case Rejection::kOverload:
      return "The server is short of memory, please try again later.";
    case Rejection::kTasks:
      return "The server is busy, please try again later.";
  }
  return "";
}

std::expected<RequestFraming, Rejection> check_request(const RequestHead& head) {
  const Headers& headers = head.headers;
  if (!method_like(head.method)) return std::unexpected(Rejection::kMethod);
  const std::size_t hosts = headers.count("Host");
  if (hosts > 1 || (hosts == 0 && head.version_minor == 1))
    return std::unexpected(Rejection::kHost);
  if (!host_like(headers.get("Host").value_or(""))) return std::unexpected(Rejection::kHost);
  if (headers.count("Transfer-Encoding") != 0) return std::unexpected(Rejection::kTransferEncoding);
  if (std::ranges::any_of(headers.fields(), [](const auto& f) { return impersonates(f.first); })) {
    return std::unexpected(Rejection::kImpersonation);
  }

  RequestFraming framing;
  const std::size_t lengths = headers.count("Content-Length");
  if (lengths > 1) return std::unexpected(Rejection::kContentLength);
  if (lengths == 1) {
    const auto length = parse_length(*headers.get("Content-Length"));
    if (!length) return std::unexpected(Rejection::kContentLength);
    framing.content_length = *length;
  }
  const std::size_t expectations = headers.count("Expect");
  if (expectations > 1) return std::unexpected(Rejection::kExpectation);
  if (expectations == 1) {
    if (!equal_ignoring_case(*headers.get("Expect"), "100-continue")) {
      return std::unexpected(Rejection::kExpectation);
    }
    framing.expects_continue = head.version_minor == 1 && framing.content_length > 0;
  }
  framing.keep_alive = keeps_alive(head.version_minor, headers);
  return framing;
}

base::Result<ResponseFraming> check_response(const ResponseHead& head, std::string_view method) {
  const Headers& headers = head.headers;
  ResponseFraming framing;
  framing.keep_alive = keeps_alive(head.version_minor, headers);
  const std::size_t lengths = headers.count("Content-Length");
  const std::size_t codings = headers.count("Transfer-Encoding");
  if (lengths > 1) return broken("more than one Content-Length");
  if (lengths + codings > 1)
    return broken("Content-Length and Transfer-Encoding, or several of them");
  std::optional<std::uint64_t> length;
  if (lengths == 1) {
    length = parse_length(*headers.get("Content-Length"));
    if (!length) return broken("Content-Length is not a plain number");
  }
  if (codings == 1 && (head.version_minor == 0 ||
                       !equal_ignoring_case(*headers.get("Transfer-Encoding"), "chunked"))) {
    return broken("a Transfer-Encoding other than chunked over HTTP/1.1");
  }
  if (method == "HEAD" || head.status == 204 || head.status == 304) return framing;
  if (codings == 1) {
    framing.body = ResponseFraming::Body::kChunked;
  } else if (length) {
    framing.body = ResponseFraming::Body::kLength;
    framing.content_length = *length;
  } else if (!framing.keep_alive) {
    framing.body = ResponseFraming::Body::kUntilClose;
  } else {
    return broken("neither Content-Length nor chunks on a connection that stays open");
  }
  return framing;
}

}  // namespace podkeeper::http
