#pragma once

#include "pkg/kube/json_cursor.h"
#include "pkg/policy/spec.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace podkeeper::policy {

class FieldReader;

/// One member of an object in the schema: its name, and how its value is read into a T.
template <class T>
struct Member {
  std::string_view name;
  void (*read)(FieldReader& reader, T& into);
};

/// One word of an enum in the schema.
template <class E>
struct Word {
  std::string_view text;
  E value;
};

/// Reads JSON against a schema and notes what does not fit, with the path to it, instead of giving
/// up: every mistake of a policy is told at once. Each read passes exactly one value, fitting or
/// not; null counts as absent. Only text that is no JSON, or is nested deeper than
/// JsonCursor::kDepthMax, ends the reading. Not thread-safe.
class FieldReader {
 public:
  FieldReader(kube::JsonCursor& in, std::vector<Violation>& found, std::size_t violations_max)
      : in_(in), found_(found), violations_max_(violations_max) {}

  /// Passes null and says so.
  bool null() { return in_.failed() || in_.null(); }
  /// Passes the value that is next.
  void skip() { in_.skip(); }

  template <class T, std::size_t N>
  void object(const std::array<Member<T>, N>& members, T& into) {
    if (null()) return;
    if (kind() != '{') return refuse("must be an object");
    std::bitset<N> seen;
    in_.object("a value", [&](std::string_view key) {
      const std::string_view name = in_.key_text(key);
      const Step step(*this, path_.empty() ? "" : ".", name);
      const auto member = std::ranges::find(members, name, &Member<T>::name);
      if (member == members.end()) return refuse("is not known; there are " + names_of(members));
      const auto index = static_cast<std::size_t>(member - members.begin());
      if (seen[index]) return refuse("is given twice");
      seen.set(index);
      member->read(*this, into);
    });
  }
  /// Calls `member(name)` for each; it must read one value.
  template <class F>
  void any_object(std::size_t members_max, F&& member) {
    if (null()) return;
    if (kind() != '{') return refuse("must be an object");
    std::size_t index = 0;
    in_.object("a value", [&](std::string_view key) {
      if (within(index++, members_max)) member(in_.key_text(key));
    });
  }
  /// Calls `item()` for each; it must read one value.
  template <class F>
  void array(std::size_t items_max, F&& item) {
    if (null()) return;
    if (kind() != '[') return refuse("must be a list");
    std::size_t index = 0;
    in_.array("a value", [&] {
      const Step step(*this, "[", std::to_string(index) + "]");
      if (within(index++, items_max)) item();
    });
  }

  /// The string, and how it stands in the JSON; none where it is none.
  struct Text {
    std::string value, raw;
  };
  std::optional<Text> text();

  template <std::integral T>
  void integer(T& into, std::int64_t min, std::int64_t max) {
    if (const auto value = integer_within(min, max)) into = static_cast<T>(*value);
  }
  template <std::integral T>
  void integer(std::optional<T>& into, std::int64_t min, std::int64_t max) {
    if (const auto value = integer_within(min, max)) into = static_cast<T>(*value);
  }
  /// A power of two from 1 to `max`.
  void power_of_two(std::int32_t& into, std::int32_t max);
  void boolean(bool& into);

  /// True where it is one of the words.
  template <class E, std::size_t N>
  bool word(E& into, const std::array<Word<E>, N>& words) {
    if (null()) return false;
    const std::string_view raw = take_raw();
    const auto at = std::ranges::find_if(words, [&](const Word<E>& word) {
      return raw.size() == word.text.size() + 2 && raw.substr(1, word.text.size()) == word.text;
    });
    if (in_.failed()) return false;
    if (at == words.end()) {
      note(raw, "must be one of " + texts_of(words));
      return false;
    }
    into = at->value;
    return true;
  }

  /// Notes that the value that is next is wrong, and passes it.
  void refuse(std::string problem);
  /// Notes what is wrong with a value of this path that was passed; `raw` is shortened.
  void note(std::string_view raw, std::string problem);
  /// Where the text stopped being JSON; only after that.
  [[nodiscard]] const std::string& failed_at() const noexcept { return failed_at_; }

 private:
  /// One step down the path, while it lives.
  class Step {
   public:
    Step(FieldReader& reader, std::string_view separator, std::string_view name);
    ~Step();
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    FieldReader& reader_;
    const std::size_t length_;
  };

  template <class T, std::size_t N>
  static std::string names_of(const std::array<Member<T>, N>& members) {
    std::string out;
    for (const auto& member : members) out.append(out.empty() ? "" : ", ").append(member.name);
    return out;
  }
  template <class E, std::size_t N>
  static std::string texts_of(const std::array<Word<E>, N>& words) {
    std::string out;
    for (const auto& word : words) out.append(out.empty() ? "" : ", ").append(word.text);
    return out;
  }

  [[nodiscard]] char kind() const noexcept { return *in_.position(); }
  std::string_view take_raw();
  bool within(std::size_t index, std::size_t max);
  std::optional<std::int64_t> integer_within(std::int64_t min, std::int64_t max);

  kube::JsonCursor& in_;
  std::vector<Violation>& found_;
  const std::size_t violations_max_;
  std::string path_;
  std::string failed_at_;
};

}  // namespace podkeeper::policy
