#include "pkg/kube/status.h"

#include "pkg/base/result.h"
#include "pkg/kube/decode.h"
#include "pkg/kube/json_cursor.h"
#include "pkg/kube/json_text.h"
#include "pkg/kube/status_reader.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace podkeeper::kube {
namespace {

using base::Error;
using base::ErrorCode;

struct Meaning {
  ErrorCode code;
  std::string_view reason;
  int http;
};

/// How a code is answered; where a reason or status stands twice, the first row is how it is read.
constexpr Meaning kMeanings[] = {
    {ErrorCode::kInvalidArgument, "BadRequest", 400},
    {ErrorCode::kUnauthorized, "Unauthorized", 401},
    {ErrorCode::kForbidden, "Forbidden", 403},
    {ErrorCode::kNotFound, "NotFound", 404},
    {ErrorCode::kMethodNotAllowed, "MethodNotAllowed", 405},
    {ErrorCode::kNotAcceptable, "NotAcceptable", 406},
    {ErrorCode::kConflict, "Conflict", 409},
    {ErrorCode::kAlreadyExists, "AlreadyExists", 409},
    {ErrorCode::kExpired, "Expired", 410},
    {ErrorCode::kTooLarge, "RequestEntityTooLarge", 413},
    {ErrorCode::kUnsupportedMediaType, "UnsupportedMediaType", 415},
    {ErrorCode::kUnprocessable, "Invalid", 422},
    {ErrorCode::kTooManyRequests, "TooManyRequests", 429},
    {ErrorCode::kUnavailable, "ServiceUnavailable", 503},
    {ErrorCode::kTimeout, "Timeout", 504},
    // Only read: what a peer says of itself is not our own fault, and worth another try.
    {ErrorCode::kUnavailable, "InternalError", 500},
    {ErrorCode::kUnavailable, "ServerTimeout", 500},
    {ErrorCode::kExpired, "Gone", 410},
    {ErrorCode::kTimeout, "Timeout", 408},
};

ErrorCode code_of_http(int status) noexcept {
  const auto* const found = std::ranges::find(kMeanings, status, &Meaning::http);
  if (found != std::end(kMeanings)) return found->code;
  if (status >= 500) return ErrorCode::kUnavailable;
  if (status >= 400) return ErrorCode::kInvalidArgument;
  return ErrorCode::kProtocol;  // a success or a redirect where neither is expected
}

void append_member(std::string& out, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  if (out.back() != '{') out.push_back(',');
  append_json_string(out, key);
  out.push_back(':');
  append_json_string(out, value);
}

void append_number(std::string& out, std::string_view key, int value) {
  if (out.back() != '{') out.push_back(',');
  append_json_string(out, key);
  out.append(":").append(std::to_string(value));
}

void append_details(std::string& out, const Status& status) {
  out.append(",\"details\":{");
  append_member(out, "name", status.name);
  append_member(out, "group", status.group);
  append_member(out, "kind", status.kind);
  append_member(out, "uid", status.uid);
  if (!status.causes.empty()) {
    if (out.back() != '{') out.push_back(',');
    out.append("\"causes\":[");
    for (const StatusCause& cause : status.causes) {
      if (out.back() != '[') out.push_back(',');
      out.push_back('{');
      append_member(out, "reason", cause.reason);
      append_member(out, "message", cause.message);
      append_member(out, "field", cause.field);
      out.push_back('}');
    }
    out.push_back(']');
  }
  if (status.retry_after_seconds != 0) {
    append_number(out, "retryAfterSeconds", status.retry_after_seconds);
  }
  out.push_back('}');
}

bool has_details(const Status& status) noexcept {
  return status.details_always || !status.name.empty() || !status.group.empty() ||
         !status.kind.empty() || !status.uid.empty() || !status.causes.empty() ||
         status.retry_after_seconds != 0;
}

int clamp_int(std::optional<std::int64_t> value) noexcept {
  return static_cast<int>(
      std::clamp<std::int64_t>(value.value_or(0), 0, std::numeric_limits<int>::max()));
}

StatusCause read_cause(JsonCursor& cursor) {
  StatusCause cause;
  FirstOnly first;
  cursor.object("a cause", [&](std::string_view key) {
    if (key == "reason" && first(0)) {
      cause.reason = cursor.string("cause reason");
    } else if (key == "message" && first(1)) {
      cause.message = cursor.string("cause message");
    } else if (key == "field" && first(2)) {
      cause.field = cursor.string("cause field");
    } else {
      cursor.skip();
    }
  });
  return cause;
}

void read_details(JsonCursor& cursor, Status& status) {
  FirstOnly first;
  cursor.object("details", [&](std::string_view key) {
    if (key == "name" && first(0)) {
      status.name = cursor.string("details.name");
    } else if (key == "group" && first(1)) {
      status.group = cursor.string("details.group");
    } else if (key == "kind" && first(2)) {
      status.kind = cursor.string("details.kind");
    } else if (key == "uid" && first(3)) {
      status.uid = cursor.string("details.uid");
    } else if (key == "causes" && first(4)) {
      cursor.array("details.causes", [&] { status.causes.push_back(read_cause(cursor)); });
    } else if (key == "retryAfterSeconds" && first(5)) {
      status.retry_after_seconds = clamp_int(cursor.integer("details.retryAfterSeconds"));
    } else {
      cursor.skip();
    }
  });
}

/// The beginning of a text on one line, cut at a character's end.
std::string beginning(std::string_view text) {
  std::string out;
  while (!text.empty() && out.size() < kErrorTextMax) {
    const std::size_t length = utf8_length(text);
    const bool plain = length > 1 || (length == 1 && text.front() >= ' ' && text.front() != 0x7F);
    if (plain) {
      out.append(text.substr(0, length));
    } else if (!out.empty() && out.back() != ' ') {
      out.push_back(' ');
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::optional<Status> parse_status(std::string_view body) {
  if (!body.starts_with('{')) return std::nullopt;
  JsonReading reading(body);
  if (!reading.ok()) return std::nullopt;
  Status status = read_status(reading.cursor());
  reading.cursor().finish();
  if (reading.cursor().failed()) return std::nullopt;
  return status;
}

std::optional<std::chrono::milliseconds> parse_retry_after(
    std::optional<std::string_view> header) noexcept {
  if (!header.has_value()) return std::nullopt;
  std::uint32_t seconds = 0;
  const char* const end = header->data() + header->size();
  const auto [stopped, error] = std::from_chars(header->data(), end, seconds);
  if (error != std::errc{} || stopped != end) return std::nullopt;
  return std::chrono::seconds(seconds);
}

}  // namespace

std::string to_json(const Status& status) {
  std::string out = R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure")";
  append_member(out, "message", status.message);
  append_member(out, "reason", status.reason);
  if (has_details(status)) append_details(out, status);
  append_number(out, "code", status.code);
  out.append("}\n");
  return out;
}

Status read_status(JsonCursor& cursor) {
  Status status;
  status.code = 0;
  bool is_status = false;
  FirstOnly first;
  cursor.object("Status", [&](std::string_view key) {
    if (key == "kind" && first(0)) {
      is_status = cursor.string("kind") == "Status";
    } else if (key == "message" && first(1)) {
      status.message = cursor.string("message");
    } else if (key == "reason" && first(2)) {
      status.reason = cursor.string("reason");
    } else if (key == "details" && first(3)) {
      status.details_always = true;
      read_details(cursor, status);
    } else if (key == "code" && first(4)) {
      status.code = clamp_int(cursor.integer("code"));
    } else {
      cursor.skip();
    }
  });
  if (!is_status) cursor.fail("kind", "is not Status");
  return status;
}

Error to_error(const Status& status) {
  const auto* const found = std::ranges::find(kMeanings, status.reason, &Meaning::reason);
  Error error{.code = found != std::end(kMeanings) ? found->code : code_of_http(status.code),
              .message = status.message.empty() ? status.reason : status.message};
  if (status.retry_after_seconds > 0) {
    error.retry_after = std::chrono::seconds(status.retry_after_seconds);
  }
  return error;
}

Error error_from_response(int http_status, std::string_view body,
                          std::optional<std::string_view> retry_after_header) {
  Error error;
  if (auto status = parse_status(body); status.has_value()) {
    if (status->code == 0) status->code = http_status;
    error = to_error(*status);
  } else {
    error.code = code_of_http(http_status);
    error.message = "HTTP " + std::to_string(http_status);
    const bool redirect = http_status >= 300 && http_status < 400;
    if (redirect) error.message += ", a redirect, which is not followed";
    if (const std::string text = beginning(body); !text.empty()) error.message += ": " + text;
  }
  if (const auto wait = parse_retry_after(retry_after_header); wait.has_value()) {
    error.retry_after = wait;
  }
  return error;
}

Status status_from_error(const Error& error) {
  Status status;
  status.message = error.message;
  const auto* const found = std::ranges::find(kMeanings, error.code, &Meaning::code);
  const bool known = found != std::end(kMeanings);
  status.reason = known ? found->reason : "InternalError";
  status.code = known ? found->http : 500;
  status.details_always = error.code == ErrorCode::kNotFound ||
                          error.code == ErrorCode::kMethodNotAllowed ||
                          error.code == ErrorCode::kNotAcceptable;
  if (error.retry_after.has_value()) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*error.retry_after).count();
    status.retry_after_seconds = clamp_int(seconds);
  }
  return status;
}

}  // namespace podkeeper::kube
