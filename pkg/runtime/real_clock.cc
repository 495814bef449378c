#include "pkg/runtime/real_clock.h"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

namespace podkeeper::runtime {

namespace asio = boost::asio;

RealClock::RealClock(asio::io_context& io)
    : strand_(asio::make_strand(io.get_executor())), timer_(*strand_) {}

RealClock::~RealClock() { end(); }

void RealClock::end() {
  std::vector<Timer> all;
  {
    base::Lock lock(mutex_);
    ended_ = true;
    all = timers_.take_all();
  }
  all.clear();
  timer_.reset();
  strand_.reset();
}

base::MonotonicTime RealClock::now() const { return std::chrono::steady_clock::now(); }
base::WallTime RealClock::wall_now() const { return std::chrono::system_clock::now(); }

base::Clock::TimerId RealClock::call_at(base::MonotonicTime when, base::Executor executor,
                                        Callback callback) {
  std::optional<Timer> timer(Timer{std::move(executor), std::move(callback)});
  TimerId id = 0;
  bool earlier = false;
  {
    base::Lock lock(mutex_);
    if (ended_) return 0;  // dropped, by `timer`, after the lock
    id = timers_.add(when, *std::move(timer));
    earlier = when < armed_;
    if (earlier) armed_ = when;
  }
  if (earlier) asio::post(*strand_, [this] { arm(); });
  return id;
}

bool RealClock::cancel(TimerId id) {
  std::optional<Timer> dropped;
  base::Lock lock(mutex_);
  dropped = timers_.take(id);
  return dropped.has_value();
}

void RealClock::arm() {
  base::MonotonicTime when;
  {
    base::Lock lock(mutex_);
    when = timers_.next();
    armed_ = when;
  }
  if (when == base::MonotonicTime::max()) return;
  timer_->expires_at(when);
  timer_->async_wait([this](boost::system::error_code ec) {
    if (ec != asio::error::operation_aborted) fire();
  });
}

void RealClock::fire() {
  std::vector<Timer> due;
  {
    const base::MonotonicTime moment = now();
    base::Lock lock(mutex_);
    while (timers_.next() <= moment && !timers_.empty()) due.push_back(timers_.pop());
  }
  for (Timer& timer : due) asio::post(timer.executor, std::move(timer.callback));
  arm();
}

}  // namespace podkeeper::runtime
