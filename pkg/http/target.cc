#include "pkg/base/result.h"
#include "pkg/http/message.h"

#include <string>
#include <string_view>
#include <utility>

namespace podkeeper::http {
namespace {

constexpr std::size_t kQueryParametersMax = 64;

base::Error wrong(std::string why) {
  return base::Error{base::ErrorCode::kInvalidArgument, "request target: " + std::move(why)};
}

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// The byte of "%XX" at `at`, or -1.
int percent_byte(std::string_view text, std::size_t at) noexcept {
  if (at + 2 >= text.size()) return -1;
  const int high = hex_digit(text[at + 1]);
  const int low = hex_digit(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/// RFC 3986 pchar without '%' and without ';', whose meaning as a parameter differs from server to
/// server.
bool plain_in_path(char c) noexcept {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view("-._~!$&'()*+,=:@").find(c) != std::string_view::npos;
}

/// What may come of percent-encoding in a path: printable ASCII that no other reader of the decoded
/// path takes for the start of something else, or decodes once more.
bool plain_when_decoded(int byte) noexcept {
  return byte >= ' ' && byte < 0x7f &&
         std::string_view("/\\%?#;").find(static_cast<char>(byte)) == std::string_view::npos;
}

/// Printable ASCII, as people type selectors, except what would end the query or split it otherwise
/// elsewhere.
bool plain_in_query(char c) noexcept { return c > ' ' && c < '\x7f' && c != '#' && c != ';'; }

bool printable(int byte) noexcept { return byte >= ' ' && byte < 0x7f; }

/// Decodes one segment. What decodes to a separator, a control or a byte beyond ASCII would make
/// two readers of the path disagree, so it is refused rather than passed on.
base::Result<std::string> decode_segment(std::string_view raw) {
  std::string segment;
  segment.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '%') {
      if (!plain_in_path(raw[i])) return wrong("a character in the path must be percent-encoded");
      segment.push_back(raw[i]);
      continue;
    }
    const int byte = percent_byte(raw, i);
    if (byte < 0) return wrong("'%' in the path without two hexadecimal digits");
    if (!plain_when_decoded(byte)) {
      return wrong(
          "the path contains an encoded '/', '\\', '%', '?', '#', ';', control or non-ASCII "
          "character");
    }
    segment.push_back(static_cast<char>(byte));
    i += 2;
  }
  if (segment == "." || segment == "..") return wrong("the path contains a '.' or '..' segment");
  return segment;
}

base::Result<void> parse_path(std::string_view raw, Target& target) {
  if (!raw.starts_with('/')) return wrong("it must begin with '/'");
  if (raw.find("//") != std::string_view::npos) return wrong("the path contains '//'");
  if (raw.size() > 1 && raw.ends_with('/')) raw.remove_suffix(1);
  if (raw.size() == 1) {
    target.path = "/";
    return {};
  }
  target.path.reserve(raw.size());
  while (!raw.empty()) {
    raw.remove_prefix(1);  // the '/'
    const std::size_t end = std::min(raw.find('/'), raw.size());
    auto segment = decode_segment(raw.substr(0, end));
    if (!segment) return std::move(segment).error();
    target.path.append("/").append(*segment);
    target.segments.push_back(*std::move(segment));
    raw.remove_prefix(end);
  }
  return {};
}

base::Result<std::string> decode_query(std::string_view raw) {
  std::string text;
  text.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '+') {
      text.push_back(' ');
    } else if (raw[i] != '%') {
      if (!plain_in_query(raw[i])) return wrong("a character in the query must be percent-encoded");
      text.push_back(raw[i]);
    } else {
      const int byte = percent_byte(raw, i);
      if (byte < 0) return wrong("'%' in the query without two hexadecimal digits");
      // Selectors, tokens and names are ASCII; refusing the rest here keeps every later message
      // valid UTF-8.
      if (!printable(byte)) return wrong("the query contains a control or non-ASCII character");
      text.push_back(static_cast<char>(byte));
      i += 2;
    }
  }
  return text;
}

/// A key that comes twice is read as the first by one program and as the last by another. Only
/// Kubernetes' health checks repeat one, by design.
bool may_repeat(std::string_view key) noexcept { return key == "exclude"; }

base::Result<void> parse_query(std::string_view raw, Target& target) {
  while (!raw.empty()) {
    const std::size_t end = std::min(raw.find('&'), raw.size());
    const std::string_view piece = raw.substr(0, end);
    raw.remove_prefix(std::min(end + 1, raw.size()));
    if (piece.empty()) continue;
    if (target.query.size() == kQueryParametersMax) return wrong("more than 64 query parameters");
    const std::size_t equals = std::min(piece.find('='), piece.size());
    auto key = decode_query(piece.substr(0, equals));
    if (!key) return std::move(key).error();
    auto value = decode_query(piece.substr(std::min(equals + 1, piece.size())));
    if (!value) return std::move(value).error();
    if (target.query_value(*key) && !may_repeat(*key)) {
      return wrong("the query has the key \"" + *key + "\" twice");
    }
    target.query.emplace_back(*std::move(key), *std::move(value));
  }
  return {};
}

}  // namespace

base::Result<Target> parse_target(std::string_view text) {
  Target target;
  const std::size_t question = std::min(text.find('?'), text.size());
  auto path = parse_path(text.substr(0, question), target);
  if (!path) return std::move(path).error();
  auto query = parse_query(text.substr(std::min(question + 1, text.size())), target);
  if (!query) return std::move(query).error();
  return target;
}

}  // namespace podkeeper::http
