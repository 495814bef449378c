#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace podkeeper::kube {

/// A token of a label selector.
struct LabelToken {
  enum class Kind {
    kEnd,
    kIdentifier,
    kComma,
    kNot,
    kOpen,
    kClose,
    kEqual,
    kDoubleEqual,
    kNotEqual,
    kGreater,
    kLess,
    kIn,
    kNotIn,
  };
  Kind kind = Kind::kEnd;
  std::string text;
};

/// Splits a label selector into tokens by apimachinery's rules: "in" and "notin" are words like
/// others where a key or a value may stand, which `words` says. A NUL ends the text. One token of
/// look-ahead.
class LabelLexer {
 public:
  enum class Words { kAreValues, kMayBeOperators };
  explicit LabelLexer(std::string_view text) : text_(text.substr(0, text.find('\0'))) {}
  [[nodiscard]] LabelToken peek(Words words = Words::kAreValues) const;
  LabelToken take(Words words = Words::kAreValues);

 private:
  [[nodiscard]] LabelToken scan(std::size_t& at) const;
  [[nodiscard]] LabelToken scan_operator(std::size_t& at) const;

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace podkeeper::kube
