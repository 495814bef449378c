#pragma once

#include "pkg/base/world.h"

#include <cstdint>
#include <map>
#include <memory>

namespace podkeeper::leader::testing {

/// The clock of one process: it runs at a rate of its own, and stands still for the process while
/// that is stopped. One thread.
class ProcessClock final : public base::Clock {
 public:
  ProcessClock(base::Clock& inner, double rate);
  [[nodiscard]] base::MonotonicTime now() const override;
  [[nodiscard]] base::WallTime wall_now() const override { return inner_.wall_now() + wall_off_; }
  TimerId call_at(base::MonotonicTime when, base::Executor executor, Callback callback) override;
  bool cancel(TimerId id) override { return timers_.erase(id) > 0; }

  /// SIGSTOP, and SIGCONT after `time` of the world: what is due meanwhile is due then.
  void stop_for(base::Duration time) { stopped_until_ = inner_.now() + time; }
  [[nodiscard]] bool stopped() const { return inner_.now() < stopped_until_; }
  /// Returns once the process runs.
  base::Task<void> running();
  void shift_wall(base::Duration by) { wall_off_ += by; }
  [[nodiscard]] base::Duration own(base::Duration of_the_world) const;

 private:
  void arm(TimerId id, base::MonotonicTime world_time, const base::Executor& executor);

  base::Clock& inner_;
  const double rate_;
  const base::MonotonicTime origin_;
  base::MonotonicTime stopped_until_{};
  base::Duration wall_off_{};
  TimerId next_ = 1;
  std::map<TimerId, Callback> timers_;
};

/// What one process sees of the simulated world, which outlives it.
class ProcessWorld final : public base::World {
 public:
  ProcessWorld(base::World& inner, double rate) : inner_(inner), clock_(inner.clock(), rate) {}
  ProcessClock& clock() override { return clock_; }
  base::Network& network() override { return inner_.network(); }
  base::Random& random() override { return inner_.random(); }
  base::Files& files() override { return inner_.files(); }
  base::Executor make_executor() override { return inner_.make_executor(); }

 private:
  base::World& inner_;
  ProcessClock clock_;
};

}  // namespace podkeeper::leader::testing
