#include "pkg/kube/line_buffer.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace podkeeper::kube {

std::string& LineBuffer::space() {
  bytes_.erase(0, line_begin_);
  searched_ -= line_begin_;
  line_begin_ = 0;
  if (bytes_.capacity() > kKeepBytesMax && bytes_.size() < kKeepBytesMax / 2) {
    bytes_.shrink_to_fit();
  }
  return bytes_;
}

std::optional<std::string_view> LineBuffer::next() {
  const std::size_t end = bytes_.find('\n', searched_);
  if (end == std::string::npos) {
    searched_ = bytes_.size();
    return std::nullopt;
  }
  const auto line = std::string_view(bytes_).substr(line_begin_, end - line_begin_);
  line_begin_ = searched_ = end + 1;
  return line;
}

}  // namespace podkeeper::kube
