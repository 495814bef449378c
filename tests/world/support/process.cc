#include "tests/world/support/process.h"

#include <algorithm>
#include <utility>

#include "tests/world/support/wire.h"

namespace podkeeper::world {

using base::Duration;
using base::Error;
using base::ErrorCode;
using base::MonotonicTime;
using base::Result;
using base::Task;

namespace {

Duration scaled(Duration duration, double by) {
  return Duration(static_cast<Duration::rep>(static_cast<double>(duration.count()) * by));
}

}  // namespace

MonotonicTime ProcessClock::now() const {
  auto at = inner_.now();
  // With the bug time stands still while the process does, as some clocks do in a suspended VM.
  if (bugs_.has(Bug::kSuspendedClock)) at = std::max(there_, at);
  return here_ + (rate_ == 1 ? at - there_ : scaled(at - there_, rate_));
}

MonotonicTime ProcessClock::in_the_world(MonotonicTime when) const {
  if (when == MonotonicTime::max()) return when;
  if (rate_ == 1) return there_ + (when - here_);
  // One more, as rounding must not wake anybody before the time.
  return there_ + scaled(when - here_, 1 / rate_) + Duration(1);
}

void ProcessClock::set_rate(double rate) {
  here_ = now();
  there_ = std::max(there_, inner_.now());
  rate_ = rate;
  for (auto& [id, timer] : timers_) {
    if (inner_.cancel(timer.inner)) arm(id, timer);
  }
}

void ProcessClock::stop_for(Duration time) {
  stopped_until_ = std::max(stopped_until_, inner_.now() + time);
  if (!bugs_.has(Bug::kSuspendedClock)) return;
  here_ = now();
  there_ = stopped_until_;
  for (auto& [id, timer] : timers_) {
    if (inner_.cancel(timer.inner)) arm(id, timer);
  }
}

base::Clock::TimerId ProcessClock::call_at(MonotonicTime when, base::Executor executor,
                                           Callback callback) {
  const TimerId id = next_++;
  const auto at = timers_.emplace(id, Timer{0, when, std::move(executor), std::move(callback)});
  arm(id, at.first->second);
  return id;
}

void ProcessClock::arm(TimerId id, Timer& timer) {
  timer.inner = inner_.call_at(std::max(in_the_world(timer.when), stopped_until_), timer.executor,
                               [this, id] { due(id); });
}

void ProcessClock::due(TimerId id) {
  const auto at = timers_.find(id);
  if (at == timers_.end()) return;
  if (stopped()) {
    arm(id, at->second);
    return;
  }
  Callback callback = std::move(at->second.callback);
  timers_.erase(at);
  std::move(callback)();
}

bool ProcessClock::cancel(TimerId id) {
  const auto at = timers_.find(id);
  if (at == timers_.end()) return false;
  inner_.cancel(at->second.inner);
  timers_.erase(at);
  return true;
}

Task<void> ProcessClock::running() {
  while (stopped()) {
    auto waiting = inner_.sleep_until(stopped_until_);
    co_await std::move(waiting);
  }
}

/// Accepts the clients of the process.
class ProcessListener final : public base::Listener {
 public:
  ProcessListener(ProcessWorld& process, std::unique_ptr<base::Listener> inner)
      : process_(process), inner_(std::move(inner)) {}
  Task<Result<std::unique_ptr<base::Stream>>> accept(base::Executor executor) override {
    auto accepting = inner_->accept(std::move(executor));
    auto accepted = co_await std::move(accepting);
    auto going_on = process_.clock_.running();
    co_await std::move(going_on);
    if (!accepted) co_return accepted;
    co_return std::make_unique<Wire>(process_, *std::move(accepted), Wire::Side::kServing);
  }
  [[nodiscard]] base::Endpoint address() const override { return inner_->address(); }
  void close() noexcept override { inner_->close(); }

 private:
  ProcessWorld& process_;
  const std::unique_ptr<base::Listener> inner_;
};

ProcessWorld::ProcessWorld(base::World& inner, const Bugs& bugs)
    : inner_(inner), bugs_(bugs), clock_(inner.clock(), bugs) {}

ProcessWorld::~ProcessWorld() = default;

Task<Result<base::ProgramEnd>> ProcessWorld::run(base::Program program, MonotonicTime) {
  co_return Error{ErrorCode::kNotFound, program.command + ": there are no programs here"};
}

Result<std::unique_ptr<base::Listener>> ProcessWorld::listen(const base::Endpoint& endpoint) {
  auto bound = inner_.network().listen(endpoint);
  if (!bound) return bound;
  return std::unique_ptr<base::Listener>(
      std::make_unique<ProcessListener>(*this, *std::move(bound)));
}

Task<Result<std::unique_ptr<base::Stream>>> ProcessWorld::connect(base::Endpoint endpoint,
                                                                  MonotonicTime deadline) {
  auto connecting = inner_.network().connect(endpoint, clock_.in_the_world(deadline));
  auto connected = co_await std::move(connecting);
  auto going_on = clock_.running();
  co_await std::move(going_on);
  if (!connected) co_return connected;
  if (cut_) {
    co_return Error{ErrorCode::kUnavailable,
                    "connect to " + to_string(endpoint) + ": no route to host"};
  }
  co_return std::make_unique<Wire>(*this, *std::move(connected), Wire::Side::kUpstream);
}

void ProcessWorld::set_cut(bool cut) {
  cut_ = cut;
  if (cut) cut_some(1);
}

void ProcessWorld::cut_some(std::size_t one_in) {
  for (const auto& [id, wire] : wires_->open) {
    if (inner_.random().below(one_in) == 0) wire->cut();
  }
}

void ProcessWorld::clog_some(std::size_t one_in) {
  for (const auto& [id, wire] : wires_->open) {
    if (inner_.random().below(one_in) == 0) wire->set_clogged(true);
  }
}

bool ProcessWorld::unclog_one() {
  std::vector<Wire*> clogged;
  for (const auto& [id, wire] : wires_->open) {
    if (wire->clogged()) clogged.push_back(wire);
  }
  if (clogged.empty()) return false;
  clogged[inner_.random().below(clogged.size())]->set_clogged(false);
  return true;
}

void ProcessWorld::unclog_all() {
  for (const auto& [id, wire] : wires_->open) wire->set_clogged(false);
}

}  // namespace podkeeper::world
