#include "pkg/kube/selector_lexer.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace podkeeper::kube {
namespace {

using Kind = LabelToken::Kind;

constexpr std::string_view kSpace = " \t\r\n";
constexpr std::string_view kOperatorBytes = "=!(),><";

Kind operator_kind(char c) noexcept {
  switch (c) {
    case '=':
      return Kind::kEqual;
    case '!':
      return Kind::kNot;
    case '(':
      return Kind::kOpen;
    case ')':
      return Kind::kClose;
    case ',':
      return Kind::kComma;
    case '>':
      return Kind::kGreater;
    default:
      return Kind::kLess;
  }
}

}  // namespace

LabelToken LabelLexer::peek(Words words) const {
  std::size_t at = at_;
  LabelToken token = scan(at);
  if (words == Words::kAreValues && (token.kind == Kind::kIn || token.kind == Kind::kNotIn)) {
    token.kind = Kind::kIdentifier;
  }
  return token;
}

LabelToken LabelLexer::take(Words words) {
  LabelToken token = peek(words);
  static_cast<void>(scan(at_));
  return token;
}

LabelToken LabelLexer::scan(std::size_t& at) const {
  at = std::min(text_.find_first_not_of(kSpace, at), text_.size());
  if (at == text_.size()) return {};
  if (kOperatorBytes.contains(text_[at])) return scan_operator(at);
  const std::size_t begin = at;
  while (at < text_.size() && !kOperatorBytes.contains(text_[at]) && !kSpace.contains(text_[at])) {
    ++at;
  }
  std::string word(text_.substr(begin, at - begin));
  const Kind kind = word == "in" ? Kind::kIn : word == "notin" ? Kind::kNotIn : Kind::kIdentifier;
  return {.kind = kind, .text = std::move(word)};
}

LabelToken LabelLexer::scan_operator(std::size_t& at) const {
  const char first = text_[at];
  if (text_.substr(at + 1).starts_with('=') && (first == '=' || first == '!')) {
    at += 2;
    return first == '=' ? LabelToken{.kind = Kind::kDoubleEqual, .text = "=="}
                        : LabelToken{.kind = Kind::kNotEqual, .text = "!="};
  }
  ++at;
  return {.kind = operator_kind(first), .text = std::string(1, first)};
}

}  // namespace podkeeper::kube
