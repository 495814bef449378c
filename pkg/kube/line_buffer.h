#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace podkeeper::kube {

/// Splits a stream of bytes into lines, however the bytes are sliced. Each byte is searched once.
/// Not thread-safe.
class LineBuffer {
 public:
  /// `line_bytes_max`: how long a line may grow before too_long().
  explicit LineBuffer(std::size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

  /// Where further bytes are appended. Drops the lines that next() gave.
  std::string& space();
  /// The next complete line without its end; valid until space().
  std::optional<std::string_view> next();
  /// What came after the last line's end.
  [[nodiscard]] std::string_view rest() const noexcept {
    return std::string_view(bytes_).substr(line_begin_);
  }
  /// True where the line that is not complete yet is longer than allowed.
  [[nodiscard]] bool too_long() const noexcept { return rest().size() > line_bytes_max_; }

  static constexpr std::size_t kKeepBytesMax =
      256 * 1024;  ///< more is given back after a long line

 private:
  std::size_t line_bytes_max_;
  std::string bytes_;
  std::size_t line_begin_ = 0;
  std::size_t searched_ = 0;
};

}  // namespace podkeeper::kube
