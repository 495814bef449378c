#pragma once

#include "pkg/base/clock.h"

#include <chrono>

namespace podkeeper::cmap::testing {

/// A clock that a test moves; begins at one hour.
class ManualClock final : public base::Clock {
 public:
  [[nodiscard]] base::MonotonicTime now() const override { return time; }
  [[nodiscard]] base::WallTime wall_now() const override { return {}; }
  TimerId call_at(base::MonotonicTime, base::Executor, Callback) override { return 0; }
  bool cancel(TimerId) override { return false; }
  base::MonotonicTime time{std::chrono::hours(1)};
};

}  // namespace podkeeper::cmap::testing
