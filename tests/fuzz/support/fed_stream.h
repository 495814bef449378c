#pragma once

#include "pkg/base/net.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "tests/fuzz/support/target.h"

namespace podkeeper::fuzz {

/// A connection whose peer has said everything and ended it: reads give `bytes`, as many as there
/// is room for or in slices, and then the end. What is written to it is dropped. `bytes` outlive
/// it.
class FedStream final : public base::Stream {
 public:
  /// `slice_seed` 0: unsliced.
  FedStream(std::string_view bytes, std::uint64_t slice_seed)
      : bytes_(bytes), sliced_(slice_seed != 0), dice_(slice_seed) {}

  base::Task<base::Result<std::size_t>> read_some(boost::asio::mutable_buffer into) override {
    std::size_t count = std::min(into.size(), bytes_.size());
    if (sliced_ && count > 1) count = 1 + dice_.below(dice_.below(8) == 0 ? count : 7) % count;
    if (count > 0) std::memcpy(into.data(), bytes_.data(), count);
    bytes_.remove_prefix(count);
    co_return count;
  }
  base::Task<base::Result<void>> write(std::span<const boost::asio::const_buffer>) override {
    co_return base::Result<void>();
  }
  void set_deadline(base::MonotonicTime) override {}
  void shutdown_write() noexcept override {}
  void close() noexcept override {}
  [[nodiscard]] std::string peer() const override { return "192.0.2.1:1"; }

 private:
  std::string_view bytes_;
  const bool sliced_;
  Dice dice_;
};

}  // namespace podkeeper::fuzz
