#include "pkg/kube/selector_rules.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace podkeeper::kube {
namespace {

constexpr std::size_t kNameMax = 63;
constexpr std::size_t kPrefixMax = 253;

constexpr std::string_view kNameRule =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
constexpr std::string_view kPrefixRule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr std::string_view kValueRule =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    "or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

bool lower_or_digit(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool alphanumeric(char c) noexcept { return lower_or_digit(c) || (c >= 'A' && c <= 'Z'); }

bool is_name(std::string_view text) noexcept {
  return !text.empty() && alphanumeric(text.front()) && alphanumeric(text.back()) &&
         std::ranges::all_of(
             text, [](char c) { return alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_subdomain(std::string_view text) noexcept {
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view part = text.substr(0, dot);
    if (part.empty() || !lower_or_digit(part.front()) || !lower_or_digit(part.back()) ||
        !std::ranges::all_of(part, [](char c) { return lower_or_digit(c) || c == '-'; })) {
      return false;
    }
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

class Problems {
 public:
  void add(std::string_view part, std::string_view problem) {
    if (!text_.empty()) text_ += "; ";
    text_.append(part).append(problem);
  }
  [[nodiscard]] std::optional<std::string> take() && {
    if (text_.empty()) return std::nullopt;
    return std::move(text_);
  }

 private:
  std::string text_;
};

std::string too_long(std::size_t max) {
  return "must be no more than " + std::to_string(max) + " bytes";
}

}  // namespace

std::optional<std::string> label_key_problem(std::string_view key) {
  Problems problems;
  const std::size_t slash = key.find('/');
  std::string_view name = key;
  if (slash != std::string_view::npos) {
    const std::string_view prefix = key.substr(0, slash);
    name = key.substr(slash + 1);
    if (name.contains('/')) {
      return "a qualified name " + std::string(kNameRule) +
             " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
    }
    if (prefix.empty()) {
      problems.add("prefix part ", "must be non-empty");
    } else {
      if (prefix.size() > kPrefixMax) problems.add("prefix part ", too_long(kPrefixMax));
      if (!is_subdomain(prefix)) problems.add("prefix part ", kPrefixRule);
    }
  }
  if (name.empty()) {
    problems.add("name part ", "must be non-empty");
  } else if (name.size() > kNameMax) {
    problems.add("name part ", too_long(kNameMax));
  }
  if (!is_name(name)) problems.add("name part ", kNameRule);
  return std::move(problems).take();
}

std::optional<std::string> label_value_problem(std::string_view value) {
  Problems problems;
  if (value.size() > kNameMax) problems.add("", too_long(kNameMax));
  if (!value.empty() && !is_name(value)) problems.add("", kValueRule);
  return std::move(problems).take();
}

}  // namespace podkeeper::kube
