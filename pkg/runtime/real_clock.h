#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/runtime/timer_heap.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <optional>

namespace podkeeper::runtime {

/// The system's clocks, and every timer of the process behind one timer of the event loop: setting
/// and dropping a timer is a heap operation under a mutex, and touches the loop only when the
/// earliest moment becomes earlier. Thread-safe.
class RealClock final : public base::Clock {
 public:
  explicit RealClock(boost::asio::io_context& io);
  ~RealClock() override;
  /// Destroys the timers and what they own; later ones are dropped at once. The loop no longer
  /// runs, and may end before the clock does.
  void end();

  [[nodiscard]] base::MonotonicTime now() const override;
  [[nodiscard]] base::WallTime wall_now() const override;
  TimerId call_at(base::MonotonicTime when, base::Executor executor, Callback callback) override;
  bool cancel(TimerId id) override;

 private:
  struct Timer {
    base::Executor executor;
    Callback callback;
  };
  void arm();
  void fire();

  std::optional<boost::asio::strand<boost::asio::io_context::executor_type>> strand_;
  std::optional<boost::asio::steady_timer> timer_;  ///< used on strand_
  base::Mutex mutex_;
  TimerHeap<Timer> timers_ PK_GUARDED_BY(mutex_);
  base::MonotonicTime armed_ PK_GUARDED_BY(mutex_) = base::MonotonicTime::max();
  bool ended_ PK_GUARDED_BY(mutex_) = false;
};

}  // namespace podkeeper::runtime
