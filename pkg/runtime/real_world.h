#pragma once

#include "pkg/base/processes.h"
#include "pkg/base/world.h"
#include "pkg/runtime/real_supervisor.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

namespace podkeeper::runtime {

/// The system gives no more threads; what() is one line that says what to do.
class ThreadShortage : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The world as it is: TCP, the system's clocks and randomness, files, and an event loop on
/// `threads` threads, on which even an overflow of the stack is told of (recovery::CrashStack). A
/// panic that reaches a thread's root is recorded (handler kind kThread) and
/// the thread goes on.
class RealWorld final : public base::World {
 public:
  /// `supervision` outlives it; null: this process is not supervised.
  explicit RealWorld(Supervision* supervision = nullptr);
  ~RealWorld() override;

  base::Clock& clock() override;
  base::Network& network() override;
  base::Random& random() override;
  base::Files& files() override;
  base::Executor make_executor() override;
  base::Processes& processes();

  /// Runs the event loop on `threads` threads, the caller's among them, until stop(). Throws
  /// ThreadShortage, and runs nothing, where the system does not give that many.
  void run(std::size_t threads);
  /// Ends run(); any thread.
  void stop();
  /// One of run()'s threads, as an observer sees it.
  struct LoopThread {
    std::int64_t id = 0;      ///< the kernel's, as in /proc/self/task
    std::uint64_t turns = 0;  ///< base::ThreadActivity::turns
    bool busy = false;        ///< inside a task
    friend bool operator==(const LoopThread&, const LoopThread&) = default;
  };
  /// Those that run the loop now; any thread. O(threads).
  [[nodiscard]] std::vector<LoopThread> loop_threads() const;
  /// Starts `make()` on the loop, runs until it ends and then stops the loop: main's and a test's
  /// body. What it throws, this throws.
  void run_task(std::function<base::Task<void>()> make, std::size_t threads = 1);
  /// From here on SIGINT and SIGTERM no longer kill the process, nor are they ignored where it is
  /// process 1: they wait for termination_signal(). Idempotent.
  void catch_termination_signals();
  /// The next SIGINT or SIGTERM: 2 or 15, one that was caught before included. One task at a time
  /// may wait. What a supervisor passes on is 15.
  base::Task<int> termination_signal();
  /// The next SIGINT or SIGTERM ends the process at once, with 128 + its number and no clean-up:
  /// for who does not want to wait for an orderly end. One that a supervisor passed on does so
  /// after another such: who signals a whole group means once.
  void end_at_next_termination_signal();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace podkeeper::runtime
