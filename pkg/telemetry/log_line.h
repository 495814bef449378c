#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/result.h"
#include "pkg/base/task_context.h"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace podkeeper::telemetry {

enum class LogLevel { kError, kWarn, kInfo, kDebug };
inline constexpr LogLevel kLogLevels[] = {LogLevel::kError, LogLevel::kWarn, LogLevel::kInfo,
                                          LogLevel::kDebug};
const char* to_string(LogLevel level) noexcept;

enum class LogFormat { kText, kJson };

/// The text of an event: a constant (what differs from line to line is a field), so that lines can
/// be counted and searched by it. Remembers where it stands.
class LogEvent {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): log_info("listening", ...) is the point.
  consteval LogEvent(const char* text, std::source_location where = std::source_location::current())
      : text_(text), file_(last_two_parts(where.file_name())), line_(where.line()) {
    if (text_.empty()) throw "an event needs a text";
    for (const char c : text_) {
      if (c < ' ' || c == '"' || c == '\\') throw "an event's text is plain words";
    }
  }
  [[nodiscard]] constexpr std::string_view text() const noexcept { return text_; }
  [[nodiscard]] constexpr std::string_view file() const noexcept {
    return file_;
  }  ///< "room/file.cc"
  [[nodiscard]] constexpr std::uint_least32_t line() const noexcept { return line_; }

 private:
  static consteval std::string_view last_two_parts(std::string_view path) {
    const auto slash = path.rfind('/');
    if (slash == std::string_view::npos || slash == 0) return path;
    const auto before = path.rfind('/', slash - 1);
    return before == std::string_view::npos ? path : path.substr(before + 1);
  }

  std::string_view text_;
  std::string_view file_;
  std::uint_least32_t line_;
};

/// A field's name: a constant in lowerCamel.
class LogKey {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor)
  consteval LogKey(const char* text) : text_(text) {
    if (text_.empty() || text_[0] < 'a' || text_[0] > 'z') throw "a key is lowerCamel";
    for (const char c : text_) {
      const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      if (!fine) throw "a key is lowerCamel";
    }
  }
  [[nodiscard]] constexpr std::string_view text() const noexcept { return text_; }

 private:
  std::string_view text_;
};

struct LogField;

/// A field's value, by reference: it lives until the log call returns. No secret, token or object
/// body.
class LogValue {
 public:
  struct List {
    const std::string* data;
    std::size_t size;
  };
  struct Group {
    const LogField* data;
    std::size_t size;
  };
  using Variant =
      std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool, List, Group>;

  // NOLINTBEGIN(google-explicit-constructor): {"name", name} is the point.
  LogValue(std::string_view text) : value_(text) {}
  LogValue(const char* text) : value_(std::string_view(text == nullptr ? "(null)" : text)) {}
  LogValue(const std::string& text) : value_(std::string_view(text)) {}
  LogValue(const base::Error& error) : value_(std::string_view(error.message)) {}
  LogValue(std::same_as<bool> auto value) : value_(value) {}
  LogValue(std::signed_integral auto value) : value_(static_cast<std::int64_t>(value)) {}
  LogValue(std::unsigned_integral auto value)
    requires(!std::same_as<decltype(value), bool>)
      : value_(static_cast<std::uint64_t>(value)) {}
  LogValue(std::floating_point auto value) : value_(static_cast<double>(value)) {}
  LogValue(const std::vector<std::string>& list) : value_(List{list.data(), list.size()}) {}
  inline LogValue(std::span<const LogField> group);
  // NOLINTEND(google-explicit-constructor)

  [[nodiscard]] const Variant& get() const noexcept { return value_; }

 private:
  Variant value_;
};

/// Data of one line. The key of an Error is "err".
struct LogField {
  LogKey key;
  LogValue value;
};

LogValue::LogValue(std::span<const LogField> group) : value_(Group{group.data(), group.size()}) {}

inline constexpr std::size_t kLogValueBytesMax = 4096;  ///< longer texts are cut, with "..." behind
inline constexpr std::size_t kLogListItemsMax = 64;     ///< further items are left out

/// One line without its end. Text is logfmt: `ts=... level=info caller=room/file.cc:7
/// msg="listening" name=api`; JSON has ts in epoch milliseconds. Values cannot end a line or colour
/// a terminal: control characters are escaped, bytes that are not UTF-8 become U+FFFD. `verbosity`
/// is shown for debug lines only; `trace` where it is valid.
std::string render_log_line(LogFormat format, base::WallTime now, LogLevel level, int verbosity,
                            const LogEvent& event, std::span<const LogField> fields,
                            const base::TraceContext& trace);

}  // namespace podkeeper::telemetry
