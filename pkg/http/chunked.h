#pragma once

#include "pkg/base/result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace podkeeper::http {

/// Takes a chunked body (RFC 9112, 7.1) apart, whatever pieces it arrives in. Every data byte is
/// copied once; chunk extensions and trailer fields are bounded and dropped, never seen by a
/// caller. Any fault of the peer is a value. Not thread-safe; O(bytes).
class ChunkDecoder {
 public:
  static constexpr std::size_t kExtensionBytesMax = 4 * 1024;  ///< of one chunk; beyond: kProtocol
  static constexpr std::size_t kTrailerBytesMax = 16 * 1024;   ///< of the body; beyond: kProtocol

  /// Appends the data in `bytes` to `into` and returns how many bytes belonged to the body: all of
  /// them until done().
  base::Result<std::size_t> feed(std::string_view bytes, std::string& into);
  /// The last chunk and its trailer were seen.
  [[nodiscard]] bool done() const noexcept { return state_ == State::kDone; }

 private:
  enum class State {
    kSize,         ///< hexadecimal digits of a chunk's size
    kExtension,    ///< from ';' to the end of the size line
    kSizeNewline,  ///< LF after the size line's CR
    kData,
    kDataReturn,    ///< CR after the data
    kDataNewline,   ///< LF after the data
    kTrailerStart,  ///< first byte of a trailer line, or the CR of the empty line
    kTrailer,
    kTrailerNewline,
    kEndNewline,  ///< LF of the empty line that ends the body
    kDone,
  };
  /// One byte of framing; false where it is against the grammar.
  bool step(char c) noexcept;
  bool step_size(char c) noexcept;
  bool step_trailer(char c) noexcept;

  State state_ = State::kSize;
  std::uint64_t remaining_ = 0;  ///< data bytes still to come, or the size read so far
  std::size_t digits_ = 0;
  std::size_t extension_bytes_ = 0;
  std::size_t trailer_bytes_ = 0;
};

}  // namespace podkeeper::http
