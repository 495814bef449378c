#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/base/result.h"
#include "pkg/runtime/real_stacks.h"
#include "pkg/runtime/real_world.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metrics.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <semaphore>
#include <thread>
#include <vector>

namespace podkeeper::runtime {

/// A thread of the event loop that did not come back from a piece of work.
struct Stall {
  base::WallTime noticed{};
  std::int64_t thread = 0;           ///< its id; 0: no thread of the loop takes any work
  base::Duration for_at_least{};     ///< when it was noticed
  std::vector<ThreadStack> threads;  ///< every thread of the process, then
};

/// Watches from a thread of its own that the event loop's threads go on. A thread is stuck when it
/// has been inside one and the same piece of work for the whole of `timeout`, be it blocked or
/// busy; the loop is, when a heartbeat posted to it has not run for as long. Each is counted in
/// podkeeper_watchdog_stalls_total, and the stacks of all threads are logged and kept. Thread-safe.
///
/// Time is counted in looks, not read from a clock: a process that was stopped for an hour
/// (SIGSTOP) has no stuck threads when it goes on.
class Watchdog {
 public:
  struct Options {
    base::Duration timeout = std::chrono::seconds(10);  ///< zero: watches nothing
    /// The next stalls' stacks are left out for so long: a dump costs a second at its worst.
    base::Duration dump_interval = std::chrono::minutes(1);
  };
  static constexpr int kLooks = 10;  ///< within one timeout

  /// World and metrics outlive it; it may come before the world runs and end after.
  Watchdog(RealWorld& world, telemetry::Metrics& metrics, Options options);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// The last one whose stacks were taken.
  [[nodiscard]] std::shared_ptr<const Stall> last() const;
  /// Stalls so far, those without stacks included.
  [[nodiscard]] std::uint64_t stalls() const noexcept;
  /// kTimeout while a thread is stuck: for a health check.
  [[nodiscard]] base::Result<void> check() const;

 private:
  /// How often a thread was seen at the same piece of work.
  struct Seen {
    std::uint64_t turns = 0;
    int looks = 0;
    bool told = false;
  };
  void watch();
  void look();
  /// True while the thread is stuck.
  bool look_at(const RealWorld::LoopThread& thread);
  bool look_at_loop();
  void tell(std::int64_t thread);

  RealWorld& world_;
  telemetry::Counter& count_;
  const Options options_;
  telemetry::RateLimiter dumps_;
  // Of the watching thread alone.
  std::map<std::int64_t, Seen> seen_;
  Seen loop_;
  std::shared_ptr<std::atomic<std::uint64_t>> beats_;  ///< heartbeats that ran
  std::uint64_t posted_ = 0;

  std::atomic<std::size_t> stuck_{0};
  std::atomic<std::uint64_t> stalls_{0};
  mutable base::Mutex mutex_;
  std::shared_ptr<const Stall> last_ PK_GUARDED_BY(mutex_);
  std::binary_semaphore ended_{0};
  std::jthread thread_;
};

}  // namespace podkeeper::runtime
