#pragma once

#include "pkg/leader/elector.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/runtime/wakeup.h"
#include "pkg/telemetry/metrics.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tests/leader/support/lease_server.h"
#include "tests/leader/support/process_world.h"

namespace podkeeper::leader::testing {

/// The way from one process to the server and back: every leg takes a while, and what is under way
/// when the line is cut is lost.
struct Line {
  base::Duration leg_min = std::chrono::milliseconds(1);
  base::Duration leg_max = std::chrono::milliseconds(50);
  bool cut = false;
};

/// One process that stands for election and, while it leads, writes all the time. What it sends
/// goes on without it, as it does in a network. Its world, server and the group of what is under
/// way outlive it; one thread.
class Replica final : LeaseLock {
 public:
  Replica(runtime::SimulatedWorld& world, runtime::TaskGroup& under_way, LeaseServer& server,
          double rate, ElectionOptions options = {});

  void start();
  /// SIGKILL: its tasks end where they are.
  base::Task<void> kill();
  /// SIGTERM: it stops to act, then gives the lease up.
  base::Task<void> shut_down();

  [[nodiscard]] bool alive() const { return elector_ != nullptr; }
  [[nodiscard]] const std::string& identity() const { return options_.identity; }
  [[nodiscard]] ProcessClock& clock() { return world_.clock(); }
  LeaderElector& elector() { return *elector_; }
  Line line;

 private:
  base::Task<base::Result<LeaseRecord>> get() override;
  base::Task<base::Result<void>> create(LeaseRecord record) override;
  base::Task<base::Result<void>> update(LeaseRecord record) override;
  base::Task<base::Result<void>> keep(std::function<base::Result<LeaseServer::Lease>()> handle);
  base::Task<void> act();
  base::Task<void> write(Term term);

  /// Sends what the server is to do and waits for its answer.
  template <class T>
  base::Task<base::Result<T>> ask(std::function<base::Result<T>()> handle, base::Duration timeout);
  base::Duration leg();

  runtime::SimulatedWorld& simulated_;
  runtime::TaskGroup& under_way_;
  LeaseServer& server_;
  ProcessWorld world_;
  ElectionOptions options_;
  telemetry::Metrics metrics_;
  runtime::TaskRegistry registry_;
  std::unique_ptr<LeaderElector> elector_;
  std::unique_ptr<runtime::TaskGroup> electing_, acting_;
  std::uint64_t lease_version_ = 0;
  std::uint64_t object_version_ = 0;
};

template <class T>
base::Task<base::Result<T>> Replica::ask(std::function<base::Result<T>()> handle,
                                         base::Duration timeout) {
  struct Call {
    explicit Call(base::Clock& clock) : answered(clock) {}
    runtime::Wakeup answered;
    std::optional<base::Result<T>> answer;
  };
  const base::MonotonicTime deadline = clock().now() + timeout;
  auto call = std::make_shared<Call>(clock());
  const auto sent = under_way_.spawn(
      "request", base::Handler::kEvent,
      [this, call, handle = std::move(handle), there = leg(), back = leg()]() -> base::Task<void> {
        auto going = simulated_.clock().sleep_for(there);
        co_await std::move(going);
        if (line.cut) co_return;
        auto answer = handle();
        auto coming = simulated_.clock().sleep_for(back);
        co_await std::move(coming);
        if (line.cut) co_return;
        call->answer = std::move(answer);
        call->answered.notify();
      });
  if (!sent) co_return sent.error();
  auto waiting = call->answered.wait_until(deadline);
  const bool answered = co_await std::move(waiting);
  auto continued = clock().running();
  co_await std::move(continued);
  if (answered) co_return *std::move(call->answer);
  co_return base::Error{base::ErrorCode::kTimeout, "no answer"};
}

}  // namespace podkeeper::leader::testing
