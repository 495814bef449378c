#pragma once

#include "pkg/base/clock.h"

#include <algorithm>
#include <cstdint>

namespace podkeeper::runtime {

/// Lets `burst` things happen at once and one every `interval` from then on: the generic cell rate
/// algorithm, which is one point in time. A plain value without a lock or a clock; who asks says
/// what time it is.
class Pace {
 public:
  constexpr Pace(base::Duration interval, std::uint32_t burst)
      : interval_(interval), burst_(interval * burst) {}

  /// Zero where one more may happen now, which is then counted; else how long until it may.
  base::Duration take(base::MonotonicTime now) {
    const base::MonotonicTime full_at = std::max(full_at_, now) + interval_;
    if (full_at - now > burst_) return full_at - now - burst_;
    full_at_ = full_at;
    return base::Duration::zero();
  }
  /// Whether nothing of the burst is used: one made anew would be the same.
  [[nodiscard]] bool is_full(base::MonotonicTime now) const { return full_at_ <= now; }

 private:
  base::Duration interval_;
  base::Duration burst_;  ///< how far ahead of time things may happen
  base::MonotonicTime full_at_{};
};

}  // namespace podkeeper::runtime
