#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/task.h"
#include "pkg/runtime/seeded_random.h"
#include "pkg/runtime/timer_heap.h"

#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace podkeeper::runtime {

class SimulatedScheduler;

/// One serial executor of the simulated world: a queue of ready work in the order it was posted, as
/// a strand's. Counted by its executors; it may outlive the scheduler, and then drops what it is
/// given.
class SimulatedLane {
 public:
  struct Work {
    Work* next = nullptr;
    virtual ~Work() = default;
    virtual void run() = 0;
  };

  SimulatedLane(SimulatedScheduler* scheduler, std::uint64_t id) : scheduler_(scheduler), id_(id) {}

  template <class F>
  void post(F&& f) {
    struct Impl final : Work {
      explicit Impl(F&& work) : f(std::forward<F>(work)) {}
      std::remove_cvref_t<F> f;
      void run() override { std::move(f)(); }
    };
    push(std::make_unique<Impl>(std::forward<F>(f)));
  }

 private:
  friend class SimulatedScheduler;
  friend class SimulatedExecutor;
  void push(std::unique_ptr<Work> work);
  std::unique_ptr<Work> pop();

  SimulatedScheduler* scheduler_;  ///< null once the world ended
  std::uint64_t id_;
  std::size_t executors_ = 0;
  Work* first_ = nullptr;
  Work* last_ = nullptr;
  SimulatedLane* previous_lane_ = nullptr;  ///< the scheduler's list of all lanes
  SimulatedLane* next_lane_ = nullptr;
};

/// What any_io_executor holds: a counted pointer to a lane. As with a strand, a dispatch from work
/// of the same lane runs inline; everything else is queued, and when it runs is a choice of the
/// seed.
class SimulatedExecutor {
 public:
  explicit SimulatedExecutor(SimulatedLane* lane, bool never_inline = false) noexcept
      : lane_(lane), never_inline_(never_inline) {
    ++lane_->executors_;
  }
  SimulatedExecutor(const SimulatedExecutor& other) noexcept
      : SimulatedExecutor(other.lane_, other.never_inline_) {}
  SimulatedExecutor(SimulatedExecutor&& other) noexcept
      : lane_(std::exchange(other.lane_, nullptr)), never_inline_(other.never_inline_) {}
  SimulatedExecutor& operator=(SimulatedExecutor other) noexcept {
    std::swap(lane_, other.lane_);
    std::swap(never_inline_, other.never_inline_);
    return *this;
  }
  ~SimulatedExecutor() {
    if (lane_ != nullptr) release();
  }

  template <class F>
  void execute(F&& f) const {
    if (!never_inline_ && runs_now()) {
      auto work = std::forward<F>(f);
      std::move(work)();
    } else {
      lane_->post(std::forward<F>(f));
    }
  }
  [[nodiscard]] SimulatedScheduler& query(boost::asio::execution::context_t) const noexcept {
    return *lane_->scheduler_;
  }
  [[nodiscard]] boost::asio::execution::blocking_t query(
      boost::asio::execution::blocking_t) const noexcept {
    if (never_inline_) return boost::asio::execution::blocking.never;
    return boost::asio::execution::blocking.possibly;
  }
  [[nodiscard]] SimulatedExecutor require(
      boost::asio::execution::blocking_t::never_t) const noexcept {
    return SimulatedExecutor(lane_, true);
  }
  [[nodiscard]] SimulatedExecutor require(
      boost::asio::execution::blocking_t::possibly_t) const noexcept {
    return SimulatedExecutor(lane_, false);
  }
  friend bool operator==(const SimulatedExecutor&, const SimulatedExecutor&) noexcept = default;

 private:
  [[nodiscard]] bool runs_now() const noexcept;
  void release() noexcept;
  SimulatedLane* lane_;
  bool never_inline_;
};

/// Runs ready work, one piece at a time: the seed picks the lane, the lane gives its oldest.
/// Virtual time moves, to the next timer, only when nothing is ready. One thread.
class SimulatedScheduler final : public boost::asio::execution_context, public base::Clock {
 public:
  /// More steps than this without time moving is a loop that waits for nothing: a panic.
  static constexpr std::uint64_t kStepsWithoutTimeMax = 100'000'000;

  explicit SimulatedScheduler(std::uint64_t seed);
  ~SimulatedScheduler() override;
  /// Destroys all work and timers, and what they own, until nothing is left; later work is dropped
  /// at once.
  void end();

  base::Executor make_executor();

  [[nodiscard]] base::MonotonicTime now() const override { return now_; }
  [[nodiscard]] base::WallTime wall_now() const override;
  TimerId call_at(base::MonotonicTime when, base::Executor executor, Callback callback) override;
  bool cancel(TimerId id) override;

  /// One piece of ready work, or one move of time up to `end`; false when neither was possible.
  bool step(base::MonotonicTime end);
  /// Moves time to `when` if it is later than now.
  void advance_to(base::MonotonicTime when);

  void note(std::uint64_t choice) { digest_.mix(choice); }
  [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }
  [[nodiscard]] std::uint64_t trace_hash() const noexcept { return digest_.value(); }

 private:
  friend class SimulatedLane;
  friend class SimulatedExecutor;
  struct Timer {
    base::Executor executor;
    Callback callback;
  };
  void run_one();
  void fire(Timer timer);
  void forget(SimulatedLane* lane) noexcept;

  SeededRandom random_;
  Digest digest_;
  base::MonotonicTime now_{};
  std::uint64_t steps_ = 0;
  std::uint64_t steps_at_this_time_ = 0;
  std::uint64_t next_lane_id_ = 1;
  bool ended_ = false;
  SimulatedLane* running_ = nullptr;   ///< whose work runs now
  std::vector<SimulatedLane*> ready_;  ///< lanes with work, each once
  SimulatedLane* lanes_ = nullptr;
  TimerHeap<Timer> timers_;
};

}  // namespace podkeeper::runtime
