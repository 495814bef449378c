#pragma once

#include "pkg/base/result.h"
#include "pkg/kube/json_index.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::kube {

/// Strings that JSON spells with escapes, and so do not stand in the text as they are.
using UnescapedStrings = std::vector<std::unique_ptr<const std::string>>;

/// A place in a JSON text: reads forward once, token by token, and checks the grammar of everything
/// it passes, skipped or not. The first mistake makes it fail for good: from then on it reads
/// nothing, every loop over it ends, and error() says what was wrong and where; so callers check
/// once, at the end. null counts as absent everywhere. Field names given to it are literals, for
/// messages. Copying one is remembering the place. Not thread-safe.
class JsonCursor {
 public:
  static constexpr std::uint32_t kDepthMax = 512;  ///< nested objects and arrays in the whole text

  JsonCursor(const JsonTokens& tokens, UnescapedStrings& unescaped)
      : text_(tokens.text.data()),
        next_(tokens.begin),
        end_(tokens.end),
        unicode_escapes_(tokens.unicode_escapes),
        unescaped_(&unescaped) {}

  /// Calls `on_member(key)` for each member of the object that is next; it must read or skip
  /// exactly one value.
  template <class F>
  void object(const char* field, F&& on_member) {
    if (!enter('{', field, "an object")) return;
    if (peek() == '}') return leave();
    while (!failed()) {
      if (peek() != '"') return fail(field, "has a key that is no string");
      member_begin_ = position();
      const std::string_view key = read_key();
      if (peek() != ':') return fail(field, "has a key without a value");
      ++next_;
      on_member(key);
      if (failed()) return;
      if (peek() == '}') return leave();
      if (peek() != ',') return fail(field, "lacks a ',' or '}'");
      ++next_;
    }
  }

  /// Calls `on_item()` for each item of the array that is next; it must read or skip exactly one
  /// value.
  template <class F>
  void array(const char* field, F&& on_item) {
    if (!enter('[', field, "an array")) return;
    if (peek() == ']') return leave();
    while (!failed()) {
      on_item();
      if (failed()) return;
      if (peek() == ']') return leave();
      if (peek() != ',') return fail(field, "lacks a ',' or ']'");
      ++next_;
    }
  }

  /// The string that is next, as a view into the text or into the unescaped strings; empty for
  /// null.
  std::string_view string(const char* field);
  /// What a key says that object() gave: that is the key itself, unless it is spelt with escapes.
  std::string_view key_text(std::string_view key) { return unicode_escapes_ ? key : unescape(key); }
  /// The number, which must be a whole one that fits; empty for null.
  std::optional<std::int64_t> integer(const char* field);
  std::optional<bool> boolean(const char* field);
  /// Passes one value of any kind.
  void skip();
  /// Passes one value by its brackets alone, however deep they nest.
  void pass_over();
  /// True, and passed, if null is next.
  bool null();
  /// Fails unless everything was read.
  void finish();

  /// From here on, strings that JSON spells with escapes are kept in `strings`.
  void keep_unescaped_in(UnescapedStrings& strings) noexcept { unescaped_ = &strings; }
  /// Where the next token begins.
  [[nodiscard]] const char* position() const noexcept { return text_ + *next_; }
  /// Behind the value that was read or skipped last, without the white space that may follow.
  [[nodiscard]] const char* value_end() const noexcept {
    return next_ < end_ ? trim_back(position()) : position();
  }

  /// Where the key of the member begins whose on_member() was just called.
  [[nodiscard]] const char* member_begin() const noexcept { return member_begin_; }
  /// Behind the last object or array that ended.
  [[nodiscard]] const char* container_end() const noexcept { return container_end_; }

  void fail(const char* field, std::string_view problem);
  [[nodiscard]] bool failed() const noexcept { return error_ != nullptr; }
  /// Whether what failed was the limit on the depth.
  [[nodiscard]] bool too_deep() const noexcept { return depth_ > kDepthMax; }
  /// kDecode, unless fail() was given another one; only after a failure.
  [[nodiscard]] const base::Error& error() const noexcept { return *error_; }
  void fail(base::Error error);

 private:
  [[nodiscard]] char peek() const noexcept { return text_[*next_]; }
  bool enter(char open, const char* field, const char* kind) {
    if (failed() || null()) return false;
    if (peek() != open) {
      fail(field, std::string("is not ") + kind);
      return false;
    }
    if (++depth_ > kDepthMax) {
      fail(field, "is nested too deep");
      return false;
    }
    ++next_;
    return true;
  }
  void leave() noexcept {
    container_end_ = position() + 1;
    ++next_;
    --depth_;
  }
  /// What the string that is next says, between its quotes; moves on.
  std::string_view read_raw_string() noexcept {
    const char* const begin = text_ + *next_ + 1;
    ++next_;
    return {begin, trim_back(text_ + *next_) - 1};
  }
  std::string_view read_key() {
    const std::string_view raw = read_raw_string();
    return unicode_escapes_ ? unescape(raw) : raw;
  }
  std::string_view unescape(std::string_view raw);
  /// The number or word that is next, up to the next token; moves on.
  std::string_view read_scalar() noexcept;
  bool skip_scalar();
  static const char* trim_back(const char* end) noexcept {
    while (end[-1] == ' ' || end[-1] == '\n' || end[-1] == '\r' || end[-1] == '\t') --end;
    return end;
  }

  const char* text_;
  const std::uint32_t* next_;
  const std::uint32_t* end_;
  std::uint32_t depth_ = 0;
  bool unicode_escapes_;
  UnescapedStrings* unescaped_;
  const char* member_begin_ = nullptr;
  const char* container_end_ = nullptr;
  std::shared_ptr<const base::Error> error_;
};

/// Remembers which members of an object came already: of duplicate keys the first counts.
class FirstOnly {
 public:
  /// True the first time for `bit`, 0 to 31.
  bool operator()(unsigned bit) noexcept {
    const std::uint32_t mask = 1U << bit;
    const bool first = (seen_ & mask) == 0;
    seen_ |= mask;
    return first;
  }

 private:
  std::uint32_t seen_ = 0;
};

}  // namespace podkeeper::kube
