#include "pkg/policy/field_reader.h"

#include <bit>
#include <charconv>
#include <system_error>

namespace podkeeper::policy {
namespace {

/// The number if it is one as JSON writes whole numbers, and fits 64 bits.
std::optional<std::int64_t> whole_number(std::string_view text) noexcept {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

}  // namespace

FieldReader::Step::Step(FieldReader& reader, std::string_view separator, std::string_view name)
    : reader_(reader), length_(reader.path_.size()) {
  reader_.path_.append(separator).append(shortened(name));
}

FieldReader::Step::~Step() {
  if (reader_.in_.failed() && reader_.failed_at_.empty()) reader_.failed_at_ = reader_.path_;
  reader_.path_.resize(length_);
}

std::string_view FieldReader::take_raw() {
  const char* const begin = in_.position();
  in_.skip();
  return in_.failed() ? std::string_view{} : std::string_view(begin, in_.value_end());
}

void FieldReader::refuse(std::string problem) {
  const std::string_view raw = take_raw();
  if (!in_.failed()) note(raw, std::move(problem));
}

void FieldReader::note(std::string_view raw, std::string problem) {
  if (found_.size() >= violations_max_) return;
  found_.push_back({path_, shortened(raw), std::move(problem)});
}

bool FieldReader::within(std::size_t index, std::size_t max) {
  if (index < max) return true;
  if (index == max) {
    refuse("is one too many; there may be " + std::to_string(max));
  } else {
    in_.skip();
  }
  return false;
}

std::optional<FieldReader::Text> FieldReader::text() {
  if (null()) return std::nullopt;
  if (kind() != '"') {
    refuse("must be a string");
    return std::nullopt;
  }
  const char* const begin = in_.position();
  const std::string_view value = in_.string("a value");
  if (in_.failed()) return std::nullopt;
  return Text{std::string(value), std::string(begin, in_.value_end())};
}

std::optional<std::int64_t> FieldReader::integer_within(std::int64_t min, std::int64_t max) {
  if (null()) return std::nullopt;
  const std::string_view raw = take_raw();
  if (in_.failed()) return std::nullopt;
  const auto value = whole_number(raw);
  if (value && *value >= min && *value <= max) return value;
  note(raw, "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max));
  return std::nullopt;
}

void FieldReader::power_of_two(std::int32_t& into, std::int32_t max) {
  if (null()) return;
  const std::string_view raw = take_raw();
  if (in_.failed()) return;
  const auto value = whole_number(raw);
  if (value && *value >= 1 && *value <= max &&
      std::has_single_bit(static_cast<std::uint64_t>(*value))) {
    into = static_cast<std::int32_t>(*value);
    return;
  }
  note(raw, "must be a power of two from 1 to " + std::to_string(max));
}

void FieldReader::boolean(bool& into) {
  if (null()) return;
  const std::string_view raw = take_raw();
  if (in_.failed()) return;
  if (raw != "true" && raw != "false") return note(raw, "must be true or false");
  into = raw == "true";
}

}  // namespace podkeeper::policy
