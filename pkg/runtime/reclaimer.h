#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/epoch.h"
#include "pkg/base/task.h"
#include "pkg/runtime/task_group.h"

#include <optional>

namespace podkeeper::runtime {

/// Keeps what waits in base::Epoch from lying there when writes stop, and says who holds it back:
/// a guard that stays over kWarnAfter is a bug of the task that it names, since no guard lives over
/// a co_await. Spawn run() once a process. Used by one task; not thread-safe.
class Reclaimer {
 public:
  Reclaimer(base::Clock& clock, const TaskRegistry& tasks) : clock_(clock), tasks_(tasks) {}

  /// Collects every kPeriod until it is stopped.
  base::Task<void> run();

  static constexpr base::Duration kPeriod = std::chrono::seconds(1);
  static constexpr base::Duration kWarnAfter = std::chrono::seconds(5);

 private:
  /// Logs one line for each guard that stays.
  void watch();

  base::Clock& clock_;
  const TaskRegistry& tasks_;
  std::optional<base::Epoch::Holder> holder_;  ///< the oldest guard at the last look
  base::MonotonicTime held_since_{};
  bool told_ = false;
};

}  // namespace podkeeper::runtime
