#include "pkg/runtime/simulated_scheduler.h"

#include "pkg/base/panic.h"

#include <boost/asio/post.hpp>

#include <chrono>
#include <string>
#include <type_traits>

namespace podkeeper::runtime {

namespace asio = boost::asio;

namespace {

// 2026-01-01T00:00:00Z: a virtual day to begin with, so that ages and timestamps look like real
// ones.
constexpr base::WallTime kFirstDay{std::chrono::sys_days(std::chrono::year(2026) / 1 / 1)};
// Not zero: code may take a zero time for "never".
constexpr base::MonotonicTime kFirstMoment{std::chrono::seconds(1)};

}  // namespace

void SimulatedLane::push(std::unique_ptr<Work> work) {
  if (scheduler_ == nullptr || scheduler_->ended_) return;
  if (first_ == nullptr) {
    scheduler_->ready_.push_back(this);
    first_ = work.get();
  } else {
    last_->next = work.get();
  }
  last_ = work.release();
}

std::unique_ptr<SimulatedLane::Work> SimulatedLane::pop() {
  std::unique_ptr<Work> work(first_);
  first_ = work->next;
  return work;
}

bool SimulatedExecutor::runs_now() const noexcept {
  return lane_->scheduler_ != nullptr && lane_->scheduler_->running_ == lane_;
}

void SimulatedExecutor::release() noexcept {
  if (--lane_->executors_ != 0 || lane_->first_ != nullptr) return;
  if (lane_->scheduler_ != nullptr) lane_->scheduler_->forget(lane_);
  delete lane_;
}

SimulatedScheduler::SimulatedScheduler(std::uint64_t seed) : random_(seed), now_(kFirstMoment) {
  digest_.mix(seed);
}

SimulatedScheduler::~SimulatedScheduler() {
  end();
  while (lanes_ != nullptr) {
    lanes_->scheduler_ = nullptr;
    lanes_ = lanes_->next_lane_;
  }
  shutdown();
  destroy();
}

void SimulatedScheduler::end() {
  ended_ = true;
  // Destroying a task's frame may cancel timers and drop executors, but adds nothing more: `ended_`
  // sees to that.
  while (!ready_.empty() || !timers_.empty()) {
    timers_.take_all();
    if (ready_.empty()) continue;
    SimulatedLane* lane = ready_.back();
    ready_.pop_back();
    const SimulatedExecutor keep(lane);
    while (lane->first_ != nullptr) lane->pop();
  }
}

base::Executor SimulatedScheduler::make_executor() {
  auto* lane = new SimulatedLane(this, next_lane_id_++);
  lane->next_lane_ = lanes_;
  if (lanes_ != nullptr) lanes_->previous_lane_ = lane;
  lanes_ = lane;
  return SimulatedExecutor(lane);
}

void SimulatedScheduler::forget(SimulatedLane* lane) noexcept {
  if (lane->previous_lane_ != nullptr) {
    lane->previous_lane_->next_lane_ = lane->next_lane_;
  } else {
    lanes_ = lane->next_lane_;
  }
  if (lane->next_lane_ != nullptr) lane->next_lane_->previous_lane_ = lane->previous_lane_;
}

base::WallTime SimulatedScheduler::wall_now() const { return kFirstDay + (now_ - kFirstMoment); }

base::Clock::TimerId SimulatedScheduler::call_at(base::MonotonicTime when, base::Executor executor,
                                                 Callback callback) {
  Timer timer{std::move(executor), std::move(callback)};
  if (ended_) return 0;
  if (when <= now_) {
    fire(std::move(timer));
    return 0;
  }
  return timers_.add(when, std::move(timer));
}

bool SimulatedScheduler::cancel(TimerId id) {
  const auto dropped = timers_.take(id);
  return dropped.has_value();
}

void SimulatedScheduler::fire(Timer timer) {
  asio::post(timer.executor, std::move(timer.callback));
}

void SimulatedScheduler::run_one() {
  PK_CHECK(++steps_at_this_time_ < kStepsWithoutTimeMax,
           "the simulated world ran " + std::to_string(steps_at_this_time_) +
               " steps without time moving: something waits by polling");
  const std::size_t picked = ready_.size() == 1 ? 0 : random_.below(ready_.size());
  SimulatedLane* lane = ready_[picked];
  digest_.mix((std::uint64_t{ready_.size()} << 40) ^ lane->id_);
  ++steps_;
  const SimulatedExecutor keep(lane);
  const auto work = lane->pop();
  if (lane->first_ == nullptr) {
    ready_[picked] = ready_.back();
    ready_.pop_back();
  }
  // Put back also when the work throws: a run may begin inside another (a test's run_task).
  const struct Running {
    Running(SimulatedScheduler& s, SimulatedLane* lane)
        : scheduler(s), outer(std::exchange(s.running_, lane)) {}
    ~Running() { scheduler.running_ = outer; }
    SimulatedScheduler& scheduler;
    SimulatedLane* outer;
  } running(*this, lane);
  work->run();
}

bool SimulatedScheduler::step(base::MonotonicTime end) {
  if (!ready_.empty()) {
    run_one();
    return true;
  }
  const base::MonotonicTime next = timers_.next();
  if (next > end || next == base::MonotonicTime::max()) return false;
  advance_to(next);
  while (timers_.next() == now_) fire(timers_.pop());
  return true;
}

void SimulatedScheduler::advance_to(base::MonotonicTime when) {
  if (when <= now_) return;
  now_ = when;
  steps_at_this_time_ = 0;
  digest_.mix(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
}

}  // namespace podkeeper::runtime
