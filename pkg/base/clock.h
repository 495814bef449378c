#pragma once

#include "pkg/base/task.h"

#include <boost/asio/any_completion_handler.hpp>

#include <chrono>
#include <cstdint>

namespace podkeeper::base {

using Duration = std::chrono::nanoseconds;
/// Time for deadlines, ages and backoff: it never jumps. In the simulated world it is virtual.
using MonotonicTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;
/// Time for people and for Kubernetes' timestamps: it may jump.
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;

/// The only way to ask for or wait for time. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual MonotonicTime now() const = 0;
  [[nodiscard]] virtual WallTime wall_now() const = 0;

  using TimerId = std::uint64_t;
  using Callback = boost::asio::any_completion_handler<void()>;
  /// Runs `callback` once, at `when` or soon after, on `executor`; never inline. O(log timers).
  virtual TimerId call_at(MonotonicTime when, Executor executor, Callback callback) = 0;
  /// Drops the callback unless it already ran or is on its way; true when it was dropped.
  virtual bool cancel(TimerId id) = 0;

  /// Waits on the awaiting task's executor; a stop of the task ends it with operation_aborted.
  Task<void> sleep_until(MonotonicTime when);
  Task<void> sleep_for(Duration duration) { return sleep_until(now() + duration); }
};

}  // namespace podkeeper::base
