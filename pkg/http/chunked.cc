#include "pkg/http/chunked.h"

#include <algorithm>

namespace podkeeper::http {
namespace {

constexpr std::size_t kSizeDigitsMax = 15;  ///< below 2^60: no overflow, and no body is larger

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// A control that no field or extension may hold.
bool forbidden(char c) noexcept { return (c >= 0 && c < ' ' && c != '\t') || c == '\x7f'; }

}  // namespace

base::Result<std::size_t> ChunkDecoder::feed(std::string_view bytes, std::string& into) {
  std::size_t used = 0;
  while (used < bytes.size() && state_ != State::kDone) {
    if (state_ == State::kData) {
      const std::size_t size = std::min<std::uint64_t>(remaining_, bytes.size() - used);
      into.append(bytes.substr(used, size));
      used += size;
      remaining_ -= size;
      if (remaining_ == 0) state_ = State::kDataReturn;
      continue;
    }
    if (!step(bytes[used])) {
      return base::Error{base::ErrorCode::kProtocol,
                         "chunked body: malformed or oversized chunk header or trailer"};
    }
    ++used;
  }
  return used;
}

bool ChunkDecoder::step(char c) noexcept {
  const auto expect = [&](char wanted, State next) {
    state_ = next;
    return c == wanted;
  };
  switch (state_) {
    case State::kSize:
      return step_size(c);
    case State::kExtension:
      if (c == '\r') {
        state_ = State::kSizeNewline;
        return true;
      }
      return ++extension_bytes_ <= kExtensionBytesMax && !forbidden(c);
    case State::kSizeNewline:
      digits_ = 0;
      extension_bytes_ = 0;
      return expect('\n', remaining_ == 0 ? State::kTrailerStart : State::kData);
    case State::kDataReturn:
      return expect('\r', State::kDataNewline);
    case State::kDataNewline:
      return expect('\n', State::kSize);
    case State::kTrailerStart:
      if (c == '\r') {
        state_ = State::kEndNewline;
        return true;
      }
      // A trailer line begins with its name; a blank would fold it into the line before.
      return c != ' ' && c != '\t' && step_trailer(c);
    case State::kTrailer:
      return step_trailer(c);
    case State::kTrailerNewline:
      return expect('\n', State::kTrailerStart);
    case State::kEndNewline:
      return expect('\n', State::kDone);
    case State::kData:
    case State::kDone:
      break;
  }
  return false;
}

bool ChunkDecoder::step_size(char c) noexcept {
  if (const int digit = hex_digit(c); digit >= 0) {
    remaining_ = remaining_ * 16 + static_cast<std::uint64_t>(digit);
    return ++digits_ <= kSizeDigitsMax;
  }
  if (digits_ == 0) return false;
  if (c == '\r') {
    state_ = State::kSizeNewline;
    return true;
  }
  state_ = State::kExtension;
  return c == ';';
}

bool ChunkDecoder::step_trailer(char c) noexcept {
  if (c == '\r') {
    state_ = State::kTrailerNewline;
    return true;
  }
  state_ = State::kTrailer;
  return ++trailer_bytes_ <= kTrailerBytesMax && !forbidden(c);
}

}  // namespace podkeeper::http
