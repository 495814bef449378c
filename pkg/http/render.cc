#include "pkg/http/render.h"

#include "pkg/base/panic.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <span>

namespace podkeeper::http {
namespace {

void append_number(std::string& out, std::size_t number) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

void append_two(std::string& out, unsigned number) {
  out.push_back(static_cast<char>('0' + number / 10));
  out.push_back(static_cast<char>('0' + number % 10));
}

void append_hex(std::string& out, std::span<const std::uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (const std::uint8_t byte : bytes) {
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
}

/// As TraceContext::traceparent(), without its strings: every answer carries it.
void append_traceparent(std::string& out, const base::TraceContext& trace) {
  out.append("\r\nTraceparent: 00-");
  append_hex(out, trace.trace_id);
  out.append("-");
  append_hex(out, trace.span_id);
  out.append("-");
  append_hex(out, {&trace.flags, 1});
}

bool name_like(std::string_view name) noexcept {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

/// Fields that say where an answer ends: only the server writes them.
bool frames(std::string_view name) noexcept {
  return equal_ignoring_case(name, "Content-Length") ||
         equal_ignoring_case(name, "Transfer-Encoding") || equal_ignoring_case(name, "Connection");
}

}  // namespace

std::string_view reason_of(int status) noexcept {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 413:
      return "Request Entity Too Large";
    case 414:
      return "Request URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Entity";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "";
  }
}

std::string_view DateCache::at(base::WallTime now) {
  using std::chrono::floor;
  const auto seconds = floor<std::chrono::seconds>(now);
  if (seconds.time_since_epoch().count() == second_) return text_;
  second_ = seconds.time_since_epoch().count();
  static constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const auto day = floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(seconds - day);
  const auto month = static_cast<unsigned>(date.month());
  text_.assign(kDays.substr(3 * std::chrono::weekday(day).c_encoding(), 3)).append(", ");
  append_two(text_, static_cast<unsigned>(date.day()));
  text_.append(" ").append(kMonths.substr(3 * (month - 1), 3)).append(" ");
  append_number(text_, static_cast<std::size_t>(static_cast<int>(date.year())));
  text_.append(" ");
  append_two(text_, static_cast<unsigned>(time.hours().count()));
  text_.append(":");
  append_two(text_, static_cast<unsigned>(time.minutes().count()));
  text_.append(":");
  append_two(text_, static_cast<unsigned>(time.seconds().count()));
  text_.append(" GMT");
  return text_;
}

bool field_value_like(std::string_view value) noexcept {
  return std::ranges::all_of(value, [](char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != '\x7f');
  });
}

void append_head(std::string& out, const Response& response, const HeadContext& context) {
  PK_CHECK(response.status >= 200 && response.status <= 599,
           "status " + std::to_string(response.status) + " of a response");
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<std::size_t>(response.status));
  out.append(" ").append(reason_of(response.status)).append("\r\nDate: ").append(context.date);
  if (!response.content_type.empty() && response.status != 304) {
    PK_CHECK(field_value_like(response.content_type), "Content-Type with a control character");
    out.append("\r\nContent-Type: ").append(response.content_type);
  }
  if (context.content_length) {
    out.append("\r\nContent-Length: ");
    append_number(out, *context.content_length);
  } else if (context.chunked) {
    out.append("\r\nTransfer-Encoding: chunked");
  }
  if (!context.keep_alive) out.append("\r\nConnection: close");
  if (context.trace.valid()) append_traceparent(out, context.trace);
  for (const auto& [name, value] : response.headers.fields()) {
    PK_CHECK(name_like(name) && field_value_like(value) && !frames(name),
             "response header \"" + name + "\" would break the framing");
    out.append("\r\n").append(name).append(": ").append(value);
  }
  out.append("\r\n\r\n");
}

std::string_view chunk_size_line(std::size_t size, char (&buffer)[20]) noexcept {
  char* end = std::to_chars(buffer, buffer + 16, size, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return {buffer, static_cast<std::size_t>(end - buffer)};
}

}  // namespace podkeeper::http
