#include "pkg/kube/object.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

namespace podkeeper::kube {
namespace {

using Wide = unsigned __int128;

constexpr int kExponentMax = 30;

/// mantissa * 10^ten * 2^two, the sign apart.
struct Decimal {
  Wide mantissa = 0;
  int ten = 0;
  int two = 0;
  bool negative = false;
};

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// "e3", "E-3": the exponent, or nothing.
std::optional<int> parse_exponent(std::string_view suffix) noexcept {
  suffix.remove_prefix(1);
  const bool negative = suffix.front() == '-';
  if (negative || suffix.front() == '+') suffix.remove_prefix(1);
  if (suffix.empty() || suffix.size() > 2 || !std::ranges::all_of(suffix, is_digit)) {
    return std::nullopt;
  }
  int value = 0;
  for (const char c : suffix) value = value * 10 + (c - '0');
  if (value > kExponentMax) return std::nullopt;
  return negative ? -value : value;
}

bool apply_suffix(std::string_view suffix, Decimal& number) noexcept {
  if (suffix.empty()) return true;
  if (suffix.size() == 2 && suffix[1] == 'i') {
    constexpr std::string_view kBinary = "KMGTPE";
    const std::size_t at = kBinary.find(suffix[0]);
    if (at == std::string_view::npos) return false;
    number.two = 10 * (static_cast<int>(at) + 1);
    return true;
  }
  if (suffix.size() == 1) {
    constexpr std::array<std::pair<char, int>, 9> kDecimal = {{{'n', -9},
                                                               {'u', -6},
                                                               {'m', -3},
                                                               {'k', 3},
                                                               {'M', 6},
                                                               {'G', 9},
                                                               {'T', 12},
                                                               {'P', 15},
                                                               {'E', 18}}};
    for (const auto& [letter, exponent] : kDecimal) {
      if (suffix[0] != letter) continue;
      number.ten += exponent;
      return true;
    }
    return false;
  }
  if (suffix[0] != 'e' && suffix[0] != 'E') return false;
  const auto exponent = parse_exponent(suffix);
  if (exponent.has_value()) number.ten += *exponent;
  return exponent.has_value();
}

/// The grammar of apimachinery's resource.Quantity: sign, digits with at most one point, then a
/// suffix or an exponent.
std::optional<Decimal> parse_quantity(std::string_view text) noexcept {
  Decimal number;
  std::size_t at = 0;
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) number.negative = text[at++] == '-';
  bool any = false;
  bool point = false;
  int zeros = 0;  // trailing ones, which need no room in the mantissa
  for (; at < text.size() && (is_digit(text[at]) || (text[at] == '.' && !point)); ++at) {
    if (text[at] == '.') {
      point = true;
      continue;
    }
    any = true;
    if (point) --number.ten;
    if (text[at] == '0') {
      ++zeros;
      continue;
    }
    for (; zeros >= 0; --zeros) {
      if (__builtin_mul_overflow(number.mantissa, Wide{10}, &number.mantissa)) return std::nullopt;
    }
    zeros = 0;
    number.mantissa += static_cast<Wide>(text[at] - '0');
  }
  number.ten += zeros;
  if (!any || !apply_suffix(text.substr(at), number)) return std::nullopt;
  return number;
}

/// The number times 10^scale, rounded away from zero.
std::optional<std::int64_t> scaled(std::string_view text, int scale) noexcept {
  auto number = parse_quantity(text);
  if (!number.has_value()) return std::nullopt;
  if (number->mantissa == 0) return 0;
  Wide value = number->mantissa;
  for (int i = 0; i < number->two; ++i) {
    if (__builtin_mul_overflow(value, Wide{2}, &value)) return std::nullopt;
  }
  int ten = number->ten + scale;
  for (; ten > 0; --ten) {
    if (__builtin_mul_overflow(value, Wide{10}, &value)) return std::nullopt;
  }
  bool rest = false;
  for (; ten < 0 && value != 0; ++ten) {
    rest = rest || value % 10 != 0;
    value /= 10;
  }
  if (rest) ++value;
  if (value > static_cast<Wide>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
  const auto result = static_cast<std::int64_t>(value);
  return number->negative ? -result : result;
}

}  // namespace

std::optional<std::int64_t> parse_quantity_millis(std::string_view text) noexcept {
  return scaled(text, 3);
}

std::optional<std::int64_t> parse_quantity_value(std::string_view text) noexcept {
  return scaled(text, 0);
}

}  // namespace podkeeper::kube
