#include "pkg/telemetry/log_line.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace podkeeper::telemetry {
namespace {

/// Bytes of the valid UTF-8 character at the start of `text`, 0 when there is none. RFC 3629: no
/// overlong forms, no surrogates, nothing above U+10FFFF.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto tail = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      if (i >= text.size() || (byte(i) & 0xC0) != 0x80) return false;
    }
    return true;
  };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return tail(1, 2) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (!tail(1, 3)) return 0;
    if (lead == 0xE0 && byte(1) < 0xA0) return 0;
    if (lead == 0xED && byte(1) > 0x9F) return 0;
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (!tail(1, 4)) return 0;
    if (lead == 0xF0 && byte(1) < 0x90) return 0;
    if (lead == 0xF4 && byte(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

void append_unicode_escape(std::string& out, unsigned code) {
  char text[7];
  std::snprintf(text, sizeof text, "\\u%04x", code);
  out += text;
}

/// Characters that end a line, steer a terminal or reverse the reading order: C1 controls, line and
/// paragraph separators, bidirectional marks.
unsigned hostile_code(std::string_view character) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(character[i]); };
  if (character.size() == 2 && byte(0) == 0xC2 && byte(1) <= 0x9F) return byte(1);
  if (character.size() == 3 && byte(0) == 0xE2) {
    const unsigned code = 0x2000U | ((byte(1) & 0x3FU) << 6) | (byte(2) & 0x3FU);
    const bool hostile = (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069) ||
                         code == 0x200E || code == 0x200F;
    return hostile ? code : 0;
  }
  return 0;
}

void append_ascii(std::string& out, char c) {
  switch (c) {
    case '"':
    case '\\':
      out += '\\';
      out += c;
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  if (c < ' ' || c == 0x7f) {
    append_unicode_escape(out, static_cast<unsigned char>(c));
  } else {
    out += c;
  }
}

/// A JSON string. Cut at kLogValueBytesMax, never inside a character.
void append_quoted(std::string& out, std::string_view text) {
  const bool cut = text.size() > kLogValueBytesMax;
  std::string_view rest = text.substr(0, kLogValueBytesMax);
  out += '"';
  while (!rest.empty()) {
    const std::size_t length = utf8_length(rest);
    const std::string_view character = rest.substr(0, std::max<std::size_t>(length, 1));
    if (length == 1) {
      append_ascii(out, character[0]);
    } else if (length == 0) {
      if (!cut || rest.size() >= 4)
        out += "\xEF\xBF\xBD";  // at a cut: the character's other half is gone
    } else if (const unsigned code = hostile_code(character)) {
      append_unicode_escape(out, code);
    } else {
      out += character;
    }
    rest.remove_prefix(character.size());
  }
  out += cut ? "...\"" : "\"";
}

template <class N>
void append_number(std::string& out, N number) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, number).ptr;
  out.append(text, end);
}

bool plain(std::string_view text) {
  return !text.empty() && text.size() <= kLogValueBytesMax && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_./:@+%,*~").contains(c);
  });
}

void append_plain_or_quoted(std::string& out, std::string_view text) {
  if (plain(text)) {
    out += text;
  } else {
    append_quoted(out, text);
  }
}

/// Numbers and truth values look the same in both formats.
template <class T>
void append_scalar(std::string& out, T value) {
  if constexpr (std::is_same_v<T, bool>) {
    out += value ? "true" : "false";
  } else if constexpr (std::is_same_v<T, double>) {
    if (std::isfinite(value)) {
      append_number(out, value);
    } else {
      out += std::isnan(value) ? "\"NaN\"" : value > 0 ? "\"+Inf\"" : "\"-Inf\"";
    }
  } else {
    append_number(out, value);
  }
}

void append_json(std::string& out, const LogField& field) {
  append_quoted(out, field.key.text());
  out += ':';
  std::visit(
      [&out](const auto& value) {
        using T = std::remove_cvref_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string_view>) {
          append_quoted(out, value);
        } else if constexpr (std::is_same_v<T, LogValue::List>) {
          out += '[';
          for (std::size_t i = 0; i < std::min(value.size, kLogListItemsMax); ++i) {
            if (i > 0) out += ',';
            append_quoted(out, value.data[i]);
          }
          out += ']';
        } else if constexpr (std::is_same_v<T, LogValue::Group>) {
          out += '{';
          for (std::size_t i = 0; i < value.size; ++i) {
            if (i > 0) out += ',';
            append_json(out, value.data[i]);
          }
          out += '}';
        } else {
          append_scalar(out, value);
        }
      },
      field.value.get());
}

/// ` key=value`; a group's members stand as `group.key=value`, a list is joined with commas.
void append_text(std::string& out, const std::string& prefix, const LogField& field) {
  const std::string key = prefix + std::string(field.key.text());
  std::visit(
      [&](const auto& value) {
        using T = std::remove_cvref_t<decltype(value)>;
        if constexpr (std::is_same_v<T, LogValue::Group>) {
          for (std::size_t i = 0; i < value.size; ++i) append_text(out, key + '.', value.data[i]);
          return;
        }
        out += ' ' + key + '=';
        if constexpr (std::is_same_v<T, std::string_view>) {
          append_plain_or_quoted(out, value);
        } else if constexpr (std::is_same_v<T, LogValue::List>) {
          std::string joined;
          for (std::size_t i = 0; i < std::min(value.size, kLogListItemsMax); ++i) {
            if (i > 0) joined += ',';
            joined += value.data[i];
          }
          append_plain_or_quoted(out, joined);
        } else if constexpr (!std::is_same_v<T, LogValue::Group>) {
          append_scalar(out, value);
        }
      },
      field.value.get());
}

std::string rfc3339(base::WallTime now) {
  const auto day = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::microseconds>(now - day));
  char text[40];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ", int{date.year()},
                unsigned{date.month()}, unsigned{date.day()},
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                static_cast<int>(time.seconds().count()),
                static_cast<int>(time.subseconds().count()));
  return text;
}

void append_epoch_ms(std::string& out, base::WallTime now) {
  const auto us =
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
  char text[40];
  std::snprintf(text, sizeof text, "%lld.%03lld", static_cast<long long>(us / 1000),
                static_cast<long long>(us % 1000));
  out += text;
}

}  // namespace

const char* to_string(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::kError:
      return "error";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kDebug:
      return "debug";
  }
  return "info";
}

std::string render_log_line(LogFormat format, base::WallTime now, LogLevel level, int verbosity,
                            const LogEvent& event, std::span<const LogField> fields,
                            const base::TraceContext& trace) {
  const bool json = format == LogFormat::kJson;
  std::string out;
  out.reserve(256);
  if (json) {
    out += "{\"ts\":";
    append_epoch_ms(out, now);
    out += std::string(",\"level\":\"") + to_string(level) + "\",\"caller\":\"";
  } else {
    out += "ts=" + rfc3339(now) + " level=" + to_string(level) + " caller=";
  }
  out += event.file();
  out += ':';
  append_number(out, event.line());
  out += json ? "\",\"msg\":\"" : " msg=\"";
  out += event.text();
  out += '"';
  if (level == LogLevel::kDebug) {
    out += json ? ",\"v\":" : " v=";
    append_number(out, verbosity);
  }
  for (const LogField& field : fields) {
    if (json) {
      out += ',';
      append_json(out, field);
    } else {
      append_text(out, "", field);
    }
  }
  if (trace.valid()) {
    out += json ? ",\"trace_id\":\"" : " trace_id=";
    out += trace.trace_id_hex();
    out += json ? "\",\"span_id\":\"" : " span_id=";
    out += trace.span_id_hex();
    if (json) out += '"';
  }
  if (json) out += '}';
  return out;
}

}  // namespace podkeeper::telemetry
