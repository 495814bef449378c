#pragma once

#include "pkg/cmap/strategy.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace podkeeper::cmap {

/// What a map counts about its use and its records, exactly. Each thread adds to a cache line of
/// its own with a plain load and store, so that counting a find costs about 1 ns and writes nothing
/// that another core reads. Any thread may call anything.
///
/// A thread leases one of kStripes - 1 lines, the same in every map, until it ends; those that come
/// when all are out share the last line by fetch_add. 4 KiB a map.
class Counters {
 public:
  enum Kind : std::size_t { kFinds, kPuts, kErases, kScans, kContended, kRecordBytes, kKinds };

  /// Sums are modulo 2^64, so kRecordBytes takes differences: what one thread puts another may
  /// erase.
  void add(Kind kind, std::uint64_t by = 1) noexcept {
    const std::size_t stripe = thread_stripe;
    if (stripe < kSharedStripe) [[likely]] {
      std::atomic<std::uint64_t>& count = stripes_[stripe].counts[kind];
      count.store(count.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
    } else {
      add_slowly(kind, by);
    }
  }

  /// Fills the counts of `stats` in. O(kStripes).
  void report(MapStats& stats) const noexcept;

  static constexpr std::size_t kStripes = 64;

 private:
  static constexpr std::size_t kSharedStripe = kStripes - 1;
  static constexpr std::size_t kNoStripe = kStripes;
  struct alignas(64) Stripe {
    std::array<std::atomic<std::uint64_t>, kKinds> counts{};
  };
  static_assert(sizeof(Stripe) == 64, "two threads must not count on one cache line");
  struct Lease;

  void add_slowly(Kind kind, std::uint64_t by) noexcept;
  [[nodiscard]] std::uint64_t total(Kind kind) const noexcept;

  static constinit thread_local std::size_t thread_stripe;
  std::array<Stripe, kStripes> stripes_{};
};

}  // namespace podkeeper::cmap
