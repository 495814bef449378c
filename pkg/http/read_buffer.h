#pragma once

#include <boost/asio/buffer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace podkeeper::http {

/// Bytes read and not yet used, in one piece, never more than `bytes_max`. It starts small, grows
/// by doubling, and gives its memory back when empty, so that ten thousand idle connections cost
/// half a KiB each. Not thread-safe.
class ReadBuffer {
 public:
  explicit ReadBuffer(std::size_t bytes_max, std::size_t bytes_first = 512)
      : bytes_max_(bytes_max), bytes_first_(std::min(bytes_first, bytes_max)) {}

  [[nodiscard]] std::string_view view() const noexcept { return {data_.get() + begin_, size()}; }
  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  [[nodiscard]] bool full() const noexcept { return size() == bytes_max_; }

  /// Where the next read goes: at least one byte unless full(). Views from before are invalid.
  [[nodiscard]] boost::asio::mutable_buffer space() {
    if (begin_ == end_) begin_ = end_ = 0;
    if (end_ == capacity_) make_room();
    return {data_.get() + end_, capacity_ - end_};
  }
  void commit(std::size_t bytes) noexcept { end_ += bytes; }
  void consume(std::size_t bytes) noexcept { begin_ += bytes; }

  /// Gives grown memory back; only when empty().
  void shrink() noexcept {
    begin_ = end_ = 0;
    if (capacity_ == bytes_first_) return;
    data_.reset();
    capacity_ = 0;
  }

 private:
  void make_room() {
    const std::size_t held = size();
    if (held < capacity_ && held * 2 <= bytes_max_ && begin_ >= capacity_ / 2) {
      std::memmove(data_.get(), data_.get() + begin_, held);
    } else {
      const std::size_t capacity = std::min(std::max(capacity_ * 2, bytes_first_), bytes_max_);
      auto grown = std::make_unique_for_overwrite<char[]>(capacity);
      if (held > 0) std::memcpy(grown.get(), data_.get() + begin_, held);
      data_ = std::move(grown);
      capacity_ = capacity;
    }
    begin_ = 0;
    end_ = held;
  }

  const std::size_t bytes_max_;
  const std::size_t bytes_first_;
  std::unique_ptr<char[]> data_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace podkeeper::http
