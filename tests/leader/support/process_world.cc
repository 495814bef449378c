#include "tests/leader/support/process_world.h"

#include <algorithm>
#include <utility>

namespace podkeeper::leader::testing {
namespace {

base::Duration scaled(base::Duration duration, double by) {
  return base::Duration(
      static_cast<base::Duration::rep>(static_cast<double>(duration.count()) * by));
}

}  // namespace

ProcessClock::ProcessClock(base::Clock& inner, double rate)
    : inner_(inner), rate_(rate), origin_(inner.now()) {}

base::Duration ProcessClock::own(base::Duration of_the_world) const {
  return scaled(of_the_world, rate_);
}

base::MonotonicTime ProcessClock::now() const { return origin_ + own(inner_.now() - origin_); }

base::Clock::TimerId ProcessClock::call_at(base::MonotonicTime when, base::Executor executor,
                                           Callback callback) {
  const TimerId id = next_++;
  timers_.emplace(id, std::move(callback));
  // One more, as rounding must not wake it before its time.
  const auto late = base::Duration(1);
  const auto when_here = when == base::MonotonicTime::max()
                             ? when
                             : origin_ + scaled(when - origin_, 1.0 / rate_) + late;
  arm(id, when_here, executor);
  return id;
}

void ProcessClock::arm(TimerId id, base::MonotonicTime world_time, const base::Executor& executor) {
  inner_.call_at(std::max(world_time, stopped_until_), executor, [this, id, executor] {
    const auto at = timers_.find(id);
    if (at == timers_.end()) return;
    if (stopped()) {
      arm(id, stopped_until_, executor);
      return;
    }
    Callback callback = std::move(at->second);
    timers_.erase(at);
    std::move(callback)();
  });
}

base::Task<void> ProcessClock::running() {
  while (stopped()) {
    auto waiting = inner_.sleep_until(stopped_until_);
    co_await std::move(waiting);
  }
}

}  // namespace podkeeper::leader::testing
