#include "pkg/kubeapi/json_text.h"

#include "pkg/kube/json_text.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace podkeeper::kubeapi {

std::string json_string(std::string_view text) {
  std::string quoted;
  quoted.reserve(text.size() + 2);
  kube::append_json_string(quoted, text);
  return quoted;
}

std::string_view first_value(std::string_view json) noexcept {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
        if (depth == 0) return json.substr(0, i + 1);
      }
      continue;
    }
    if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return json.substr(0, i);  // a scalar that ends with its parent
      if (--depth == 0) return json.substr(0, i + 1);
    } else if (c == ',' && depth == 0) {
      return json.substr(0, i);
    }
  }
  return json;
}

namespace {

class Indenter {
 public:
  explicit Indenter(std::string& out) : out_(out) {}

  void feed(char c) {
    if (in_string_) return in_string(c);
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') return;
    if (c == '}' || c == ']') return close(c);
    if (opened_) {
      opened_ = false;
      new_line();
    }
    out_ += c;
    if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
      opened_ = true;
    } else if (c == ',') {
      new_line();
    } else if (c == ':') {
      out_ += ' ';
    }
  }

 private:
  void in_string(char c) {
    out_ += c;
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      in_string_ = false;
    }
  }
  void close(char c) {
    --depth_;
    if (!opened_) new_line();
    opened_ = false;
    out_ += c;
  }
  void new_line() {
    out_ += '\n';
    out_.append(2 * depth_, ' ');
  }

  std::string& out_;
  std::size_t depth_ = 0;
  bool in_string_ = false, escaped_ = false;
  bool opened_ = false;  // after { or [: an empty one stays on its line
};

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<std::int8_t, 256> reverse_alphabet() {
  std::array<std::int8_t, 256> table{};
  table.fill(-1);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    table[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
  }
  return table;
}

}  // namespace

std::string indent_json(http::GatheredBody json) {
  std::string out;
  out.reserve(json.size * 2);
  Indenter indenter(out);
  do {
    for (const auto piece : json.pieces) {
      for (const char c : piece) indenter.feed(c);
    }
  } while (json.next());
  return out;
}

std::string base64url_encode(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(c);
    count += 8;
    while (count >= 6) {
      count -= 6;
      text += kAlphabet[(bits >> count) & 63];
    }
  }
  if (count > 0) text += kAlphabet[(bits << (6 - count)) & 63];
  return text;
}

bool base64url_decode(std::string_view text, std::string& bytes, std::size_t& error_at) {
  static constexpr auto kReverse = reverse_alphabet();
  bytes.clear();
  std::uint32_t bits = 0;
  int count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto value = kReverse[static_cast<unsigned char>(text[i])];
    if (value < 0) {
      error_at = i;
      return false;
    }
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>((bits >> count) & 255);
    }
  }
  if (text.size() % 4 == 1) {
    error_at = text.size();
    return false;
  }
  return true;
}

}  // namespace podkeeper::kubeapi
