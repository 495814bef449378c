#pragma once

#include "pkg/http/message.h"

#include <string>
#include <string_view>

namespace podkeeper::fuzz {

/// `text` with every byte but letters, digits and a few marks percent-encoded: the one way to write
/// it that no reader of a target can misread.
inline std::string percent_encoded(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

/// A target that parses to exactly this one.
inline std::string written(const http::Target& target) {
  std::string out;
  for (const auto& segment : target.segments) out += "/" + percent_encoded(segment);
  if (out.empty()) out = "/";
  char mark = '?';
  for (const auto& [key, value] : target.query) {
    out += mark + percent_encoded(key) + "=" + percent_encoded(value);
    mark = '&';
  }
  return out;
}

}  // namespace podkeeper::fuzz
