#include "pkg/simkube/faulty_answer.h"

#include <algorithm>
#include <charconv>
#include <type_traits>
#include <utility>
#include <variant>

namespace podkeeper::simkube {
namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";

std::string chunk_of(std::string_view bytes, std::string_view extension = {}) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, bytes.size(), 16);
  std::string chunk(digits, end.ptr);
  chunk.append(extension).append("\r\n").append(bytes).append("\r\n");
  return chunk;
}

/// Takes the first chunk off `text`; empty where it does not begin with a whole one. The last
/// chunk, of no bytes, is none.
std::optional<std::string_view> take_chunk(std::string_view& text) {
  std::size_t size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size, 16);
  const auto head = static_cast<std::size_t>(end - text.data()) + 2;
  if (error != std::errc{} || size == 0 || text.size() < head + 2 ||
      size > text.size() - head - 2) {
    return std::nullopt;
  }
  const auto bytes = text.substr(head, size);
  text.remove_prefix(head + size + 2);
  return bytes;
}

bool holds(const std::vector<std::uint64_t>& events, std::uint64_t event) {
  return std::ranges::find(events, event) != events.end();
}

}  // namespace

FaultyAnswer::FaultyAnswer(const std::vector<FaultDo>& faults) {
  for (const auto& fault : faults) {
    std::visit(
        [this]<class T>(const T& what) {
          if constexpr (std::is_same_v<T, FaultCut>) {
            cut_ = std::min(cut_.value_or(what.after_bytes), what.after_bytes);
          } else if constexpr (std::is_same_v<T, FaultHalfOpen>) {
            half_open_ = std::min(half_open_.value_or(what.after_bytes), what.after_bytes);
          } else if constexpr (std::is_same_v<T, FaultDrop>) {
            drops_.push_back(what.event);
          } else if constexpr (std::is_same_v<T, FaultRepeat>) {
            repeats_.push_back(what.event);
          } else if constexpr (std::is_same_v<T, FaultInsert>) {
            inserts_.push_back(what);
          } else if constexpr (std::is_same_v<T, FaultChunkExtension>) {
            extension_ = what.bytes;
          } else if constexpr (std::is_same_v<T, FaultTrailer>) {
            trailer_ = what.bytes;
          } else {
            // What befalls the request and not its answer.
            static_assert(std::is_same_v<T, FaultAnswer> || std::is_same_v<T, FaultDelay> ||
                          std::is_same_v<T, FaultRestore>);
          }
        },
        fault);
  }
  rewrites_ =
      !drops_.empty() || !repeats_.empty() || !inserts_.empty() || extension_ > 0 || trailer_ > 0;
}

bool FaultyAnswer::does_anything() const noexcept {
  return rewrites_ || cut_.has_value() || half_open_.has_value();
}

FaultyAnswer::Passed FaultyAnswer::pass(std::string written) {
  Passed passed{.bytes = rewrites_ ? rewrite(written) : std::move(written)};
  const auto until = [&](std::uint64_t end) {
    if (passed_ + passed.bytes.size() < end) return false;
    passed.bytes.resize(end > passed_ ? end - passed_ : 0);
    return true;
  };
  if (half_open_) passed.half_open = until(*half_open_);
  if (cut_) passed.cut = until(*cut_);
  passed_ += passed.bytes.size();
  passed.cut = passed.cut || ended_;
  return passed;
}

std::string FaultyAnswer::rewrite(std::string_view written) {
  std::string out;
  if (ended_) return out;
  if (!in_body_) {
    const auto end = written.find(kHeadEnd);
    if (end == std::string_view::npos) return std::string(written);
    out = written.substr(0, end + kHeadEnd.size());
    written.remove_prefix(out.size());
    in_body_ = true;
    out += at_first();
    if (trailer_ > 0) {
      ended_ = true;
      return out;
    }
  }
  while (const auto chunk = take_chunk(written)) {
    const auto lines = rewrite_lines(*chunk);
    if (!lines.empty()) out += chunk_of(lines);
  }
  return out.append(written);
}

std::string FaultyAnswer::at_first() const {
  std::string out;
  // A line of nothing, which readers pass over.
  if (extension_ > 0) out = chunk_of("\n", ";" + std::string(extension_, 'x'));
  std::string lines;
  insert_after(0, lines);
  if (!lines.empty()) out += chunk_of(lines);
  if (trailer_ > 0) out += "0\r\nX-Trailer: " + std::string(trailer_, 'x') + "\r\n\r\n";
  return out;
}

void FaultyAnswer::insert_after(std::uint64_t event, std::string& into) const {
  for (const auto& insert : inserts_) {
    if (insert.after_event == event) into += insert.bytes;
  }
}

std::string FaultyAnswer::rewrite_lines(std::string_view lines) {
  std::string out;
  while (!lines.empty()) {
    const auto line = lines.substr(0, std::min(lines.find('\n'), lines.size() - 1) + 1);
    lines.remove_prefix(line.size());
    ++events_;
    if (!holds(drops_, events_)) out += line;
    if (holds(repeats_, events_)) out += line;
    insert_after(events_, out);
  }
  return out;
}

}  // namespace podkeeper::simkube
