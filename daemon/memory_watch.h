#pragma once

#include "pkg/base/result.h"
#include "pkg/base/world.h"
#include "pkg/http/overload.h"
#include "pkg/telemetry/metrics.h"

#include <cstdint>
#include <functional>
#include <optional>

#include "daemon/memory_use.h"

namespace podkeeper::daemon {

/// The state for a part of the limit in use: from 80, 90 and 95 % on, and until it is 5 points
/// below that again, so that no state is entered and left by every list. Pure.
http::OverloadState next_state(http::OverloadState now, double part) noexcept;

/// Looks twice a second how much of the memory limit is in use, and tells the listeners: lists are
/// refused first, then slow clients cut, then all refused, so that the kernel has no reason to kill
/// the process. The constructor's references outlive it; one executor.
class MemoryWatch {
 public:
  static constexpr base::Duration kInterval = std::chrono::milliseconds(500);
  /// What the allocator keeps is given back no more often than this, as that takes milliseconds.
  static constexpr base::Duration kGiveBackEvery = std::chrono::seconds(5);

  struct Actions {
    std::function<void()> give_back;   ///< what is free, from the allocator to the system
    std::function<void()> evict_slow;  ///< at every look from OverloadState::kEvictSlow on
  };

  MemoryWatch(base::World& world, telemetry::Metrics& metrics, http::Overload& overload,
              std::uint64_t flag_limit, Actions actions);

  /// Whether there is a limit to watch; where there is none, run() has nothing to do.
  [[nodiscard]] bool limited() const;
  /// Until the task is stopped.
  base::Task<void> run();
  /// Fails while everything is refused: the check `memory` of /readyz. Any thread.
  [[nodiscard]] base::Result<void> check() const;

 private:
  void look();
  /// What is in use, once what was only kept by the allocator is given back.
  std::optional<MemoryUse> use();
  void tell(http::OverloadState before, http::OverloadState state, const MemoryUse& use) const;

  base::World& world_;
  telemetry::Metrics& metrics_;
  http::Overload& overload_;
  const std::uint64_t flag_limit_;
  const Actions actions_;
  base::MonotonicTime give_back_from_{};
};

}  // namespace podkeeper::daemon
