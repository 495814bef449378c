#include "pkg/kube/object.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace podkeeper::kube {
namespace {

/// `count` digits at `at`, or -1.
int digits(std::string_view text, std::size_t at, std::size_t count) noexcept {
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (i >= text.size() || text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

/// "Z", "+02:00": seconds east of UTC.
std::optional<std::int64_t> parse_offset(std::string_view text) noexcept {
  if (text == "Z" || text == "z") return 0;
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return std::nullopt;
  const int hours = digits(text, 1, 2);
  const int minutes = digits(text, 4, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
  const std::int64_t seconds = hours * 3600 + minutes * 60;
  return text[0] == '-' ? -seconds : seconds;
}

void append(std::string& out, unsigned value, std::size_t width) {
  std::array<char, 6> text{};
  for (std::size_t i = width; i > 0; --i, value /= 10) {
    text[i - 1] = static_cast<char>('0' + value % 10);
  }
  out.append(text.data(), width);
}

}  // namespace

std::optional<UnixSeconds> parse_time(std::string_view text) noexcept {
  constexpr std::size_t kFixed = 19;  // "2026-11-20T09:46:00"
  if (text.size() <= kFixed || text[4] != '-' || text[7] != '-' ||
      (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  const int year = digits(text, 0, 4);
  const int month = digits(text, 5, 2);
  const int day = digits(text, 8, 2);
  const int hour = digits(text, 11, 2);
  const int minute = digits(text, 14, 2);
  const int second = digits(text, 17, 2);
  if (year < 0 || month < 0 || day < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  std::string_view rest = text.substr(kFixed);
  if (rest.front() == '.') {
    const std::size_t end = rest.find_first_not_of("0123456789", 1);
    if (end == std::string_view::npos || end == 1) return std::nullopt;
    rest.remove_prefix(end);
  }
  const auto offset = parse_offset(rest);
  if (!offset.has_value()) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
  return days * 86'400 + hour * 3'600 + minute * 60 + second - *offset;
}

std::string format_time(UnixSeconds seconds) {
  const std::chrono::sys_seconds time{std::chrono::seconds{seconds}};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const auto second = static_cast<unsigned>((time - day).count());
  std::string out;
  out.reserve(20);
  append(out, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  out.push_back('-');
  append(out, static_cast<unsigned>(date.month()), 2);
  out.push_back('-');
  append(out, static_cast<unsigned>(date.day()), 2);
  out.push_back('T');
  append(out, second / 3600, 2);
  out.push_back(':');
  append(out, second / 60 % 60, 2);
  out.push_back(':');
  append(out, second % 60, 2);
  out.push_back('Z');
  return out;
}

std::string format_micro_time(std::int64_t unix_microseconds) {
  const std::chrono::microseconds time{unix_microseconds};
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  std::string out = format_time(seconds.count());
  out.back() = '.';
  append(out, static_cast<unsigned>((time - seconds).count()), 6);
  out.push_back('Z');
  return out;
}

}  // namespace podkeeper::kube
