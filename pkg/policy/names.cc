#include "pkg/policy/names.h"

#include <algorithm>
#include <cstddef>

namespace podkeeper::policy {
namespace {

constexpr std::size_t kLabelBytesMax = 63;
constexpr std::size_t kPluralGroupBytesMax = 253;

bool is_lower(char c) noexcept { return c >= 'a' && c <= 'z'; }
bool is_alphanumeric(char c) noexcept { return is_lower(c) || (c >= '0' && c <= '9'); }
bool is_label_character(char c) noexcept { return is_alphanumeric(c) || c == '-'; }

bool is_label(std::string_view text) noexcept {
  return !text.empty() && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
         std::ranges::all_of(text, is_label_character);
}

}  // namespace

bool is_namespace_name(std::string_view text) noexcept {
  return text.size() <= kLabelBytesMax && is_label(text);
}

bool is_namespace_pattern(std::string_view text) noexcept {
  if (!text.ends_with('*')) return is_namespace_name(text);
  if (text.size() > kLabelBytesMax) return false;
  text.remove_suffix(1);
  return text.empty() ||
         (is_alphanumeric(text.front()) && std::ranges::all_of(text, is_label_character));
}

bool is_plural_group(std::string_view text) noexcept {
  if (text.empty() || text.size() > kPluralGroupBytesMax || !is_lower(text.front())) return false;
  while (true) {
    const std::size_t dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

}  // namespace podkeeper::policy
