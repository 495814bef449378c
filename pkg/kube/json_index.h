#pragma once

#include "pkg/base/result.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace podkeeper::kube {

/// Where the tokens of one JSON text begin: every brace, bracket, colon, comma, opening quote and
/// first byte of a number or word, ascending. Behind the last one stand two entries that lead back
/// to the opening brace, so a reader that runs past the end meets a brace where none may stand, and
/// needs no bounds check.
struct JsonTokens {
  std::string_view text;
  const std::uint32_t* begin = nullptr;
  const std::uint32_t* end = nullptr;
  bool unicode_escapes = false;  ///< there is a \u escape somewhere: a key may be spelt with one
};

/// Finds the tokens of JSON texts by simdjson's first stage, which also checks UTF-8, that strings
/// are closed and that no control character stands in one; escapes are checked here. One text at a
/// time: the tokens are valid until the next index(). Memory is reused from text to text and given
/// back after one above kKeepBytesMax. Not thread-safe; there is one per thread.
class JsonIndexer {
 public:
  static constexpr std::size_t kKeepBytesMax = 8 << 20;
  static constexpr std::size_t kTextBytesMax = 1 << 30;

  JsonIndexer();
  ~JsonIndexer();
  /// The text must be an object, from its first token to its last. kDecode says what is wrong,
  /// kTooLarge beyond kTextBytesMax. O(bytes), several GB/s.
  base::Result<JsonTokens> index(std::string_view text);
  /// Gives back what a large text made it allocate.
  void trim() noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace podkeeper::kube
