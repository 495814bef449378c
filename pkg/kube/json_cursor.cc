#include "pkg/kube/json_cursor.h"

#include "pkg/base/result.h"

#include <bitset>
#include <charconv>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace podkeeper::kube {
namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// RFC 8259's number.
bool is_number(std::string_view text) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto digits = [&] {
    const char* const begin = at;
    while (at < end && is_digit(*at)) ++at;
    return at > begin;
  };
  if (at < end && *at == '-') ++at;
  if (at < end && *at == '0') {
    ++at;
  } else if (!digits()) {
    return false;
  }
  if (at < end && *at == '.') {
    ++at;
    if (!digits()) return false;
  }
  if (at < end && (*at == 'e' || *at == 'E')) {
    ++at;
    if (at < end && (*at == '+' || *at == '-')) ++at;
    if (!digits()) return false;
  }
  return at == end;
}

std::uint32_t hex4(const char* digits) noexcept {
  std::uint32_t value = 0;
  std::from_chars(digits, digits + 4, value, 16);
  return value;
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto byte = [&](std::uint32_t bits) { out.push_back(static_cast<char>(bits)); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0 | code >> 6);
    byte(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    byte(0xE0 | code >> 12);
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  } else {
    byte(0xF0 | code >> 18);
    byte(0x80 | (code >> 12 & 0x3F));
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  }
}

/// The character that the escape at `at` spells; moves behind it. Half of a surrogate pair is
/// U+FFFD, as Go reads it.
std::uint32_t read_unicode(const char*& at, const char* end) noexcept {
  constexpr std::uint32_t kReplacement = 0xFFFD;
  const std::uint32_t high = hex4(at + 2);
  at += 6;
  if (high < 0xD800 || high > 0xDFFF) return high;
  if (high > 0xDBFF || end - at < 6 || at[0] != '\\' || at[1] != 'u') return kReplacement;
  const std::uint32_t low = hex4(at + 2);
  if (low < 0xDC00 || low > 0xDFFF) return kReplacement;
  at += 6;
  return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

/// The indexer has checked that every escape is one.
std::string unescaped_text(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  const char* at = raw.data();
  const char* const end = at + raw.size();
  while (at < end) {
    if (*at != '\\') {
      out.push_back(*at++);
      continue;
    }
    if (at[1] == 'u') {
      append_utf8(out, read_unicode(at, end));
      continue;
    }
    switch (at[1]) {
      case 'b':
        out.push_back('\b');
        break;
      case 'f':
        out.push_back('\f');
        break;
      case 'n':
        out.push_back('\n');
        break;
      case 'r':
        out.push_back('\r');
        break;
      case 't':
        out.push_back('\t');
        break;
      default:
        out.push_back(at[1]);
    }
    at += 2;
  }
  return out;
}

}  // namespace

void JsonCursor::fail(const char* field, std::string_view problem) {
  if (failed()) return;
  std::string message(field);
  message.append(" ").append(problem).append(" (byte ").append(std::to_string(*next_)).append(")");
  fail(base::Error{.code = base::ErrorCode::kDecode, .message = std::move(message)});
}

void JsonCursor::fail(base::Error error) {
  if (!failed()) error_ = std::make_shared<const base::Error>(std::move(error));
}

std::string_view JsonCursor::unescape(std::string_view raw) {
  if (raw.find('\\') == std::string_view::npos) return raw;
  unescaped_->push_back(std::make_unique<const std::string>(unescaped_text(raw)));
  return *unescaped_->back();
}

std::string_view JsonCursor::string(const char* field) {
  if (failed() || null()) return {};
  if (peek() != '"') {
    fail(field, "is not a string");
    return {};
  }
  const std::string_view raw = read_raw_string();
  return raw.empty() ? std::string_view{} : unescape(raw);
}

std::string_view JsonCursor::read_scalar() noexcept {
  // The text ends with '}', so a token that is not a '}' is followed by another one.
  const char* const begin = text_ + *next_;
  ++next_;
  return {begin, trim_back(text_ + *next_)};
}

std::optional<std::int64_t> JsonCursor::integer(const char* field) {
  if (failed() || null()) return std::nullopt;
  if (peek() != '-' && !is_digit(peek())) {
    fail(field, "is not a number");
    return std::nullopt;
  }
  const std::string_view text = read_scalar();
  std::int64_t value = 0;
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || stopped != text.data() + text.size() || !is_number(text)) {
    fail(field, "is not a whole number of 64 bits");
    return std::nullopt;
  }
  return value;
}

std::optional<bool> JsonCursor::boolean(const char* field) {
  if (failed() || null()) return std::nullopt;
  if (peek() == 't' || peek() == 'f') {
    const std::string_view text = read_scalar();
    if (text == "true") return true;
    if (text == "false") return false;
  }
  fail(field, "is not true or false");
  return std::nullopt;
}

bool JsonCursor::null() {
  if (peek() != 'n') return false;
  if (read_scalar() == "null") return true;
  fail("a value", "is no JSON word");
  return false;
}

bool JsonCursor::skip_scalar() {
  const char first = peek();
  if (first == '"') {
    ++next_;
    return true;
  }
  if (first == '-' || is_digit(first)) return is_number(read_scalar());
  if (first == 't') return read_scalar() == "true";
  if (first == 'f') return read_scalar() == "false";
  if (first == 'n') return read_scalar() == "null";
  return false;
}

void JsonCursor::skip() {
  if (failed()) return;
  if (peek() != '{' && peek() != '[') {
    if (!skip_scalar()) fail("a value", "is no JSON");
    return;
  }
  std::bitset<kDepthMax + 1>
      objects;  // what stands open at each depth: an object, or else an array
  const std::uint32_t floor = depth_;
  bool in_object = false;
  const auto open = [&](bool object) {
    if (++depth_ > kDepthMax) return false;
    objects[depth_] = object;
    in_object = object;
    ++next_;
    return true;
  };
  const auto key = [&] {
    if (peek() != '"') return false;
    ++next_;
    if (peek() != ':') return false;
    ++next_;
    return true;
  };
  while (true) {
    const char c = peek();
    if (c == '{' || c == '[') {
      if (!open(c == '{')) return fail("a value", "is nested too deep");
      if (peek() != (in_object ? '}' : ']')) {
        if (in_object && !key()) return fail("an object", "lacks a key or its ':'");
        continue;
      }
    } else if (!skip_scalar()) {
      return fail("a value", "is no JSON");
    }
    // A value has ended, or an empty container is about to: end what ends here.
    while (peek() == (in_object ? '}' : ']')) {
      leave();
      if (depth_ == floor) return;
      in_object = objects[depth_];
    }
    if (peek() != ',') return fail("a value", "lacks a ',' or its end");
    ++next_;
    if (in_object && !key()) return fail("an object", "lacks a key or its ':'");
  }
}

void JsonCursor::pass_over() {
  std::uint32_t open = 0;
  while (!failed()) {
    if (next_ == end_) return fail("a value", "does not end");
    const char c = peek();
    if (c == '{' || c == '[') ++open;
    if (c == '}' || c == ']') --open;
    ++next_;
    if (open == 0) return;
  }
}

void JsonCursor::finish() {
  if (!failed() && next_ != end_) fail("the text", "goes on after the object");
}

}  // namespace podkeeper::kube
