#pragma once

#include "pkg/base/processes.h"
#include "pkg/base/world.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/world/support/bugs.h"

namespace podkeeper::world {

/// The clock of one process: it runs at a rate of its own, and nothing that is due is done while
/// the process is stopped. One thread.
class ProcessClock final : public base::Clock {
 public:
  ProcessClock(base::Clock& inner, const Bugs& bugs) : inner_(inner), bugs_(bugs) {}
  [[nodiscard]] base::MonotonicTime now() const override;
  [[nodiscard]] base::WallTime wall_now() const override { return inner_.wall_now(); }
  TimerId call_at(base::MonotonicTime when, base::Executor executor, Callback callback) override;
  bool cancel(TimerId id) override;

  /// From now on one second of the world is `rate` seconds here; time itself does not jump.
  void set_rate(double rate);
  /// SIGSTOP, and SIGCONT after `time` of the world: what is due meanwhile is due then.
  void stop_for(base::Duration time);
  [[nodiscard]] bool stopped() const { return inner_.now() < stopped_until_; }
  /// Returns once the process runs.
  base::Task<void> running();
  /// The world's time at which it is `when` here.
  [[nodiscard]] base::MonotonicTime in_the_world(base::MonotonicTime when) const;
  [[nodiscard]] base::Clock& inner() noexcept { return inner_; }

 private:
  struct Timer {
    TimerId inner = 0;
    base::MonotonicTime when;
    base::Executor executor;
    Callback callback;
  };
  void arm(TimerId id, Timer& timer);
  void due(TimerId id);

  base::Clock& inner_;
  const Bugs& bugs_;
  double rate_ = 1;
  base::MonotonicTime here_{};  ///< the time here at `there_` of the world
  base::MonotonicTime there_{};
  base::MonotonicTime stopped_until_{};
  TimerId next_ = 1;
  std::map<TimerId, Timer> timers_;
};

class Wire;

/// The connections of a process, by number: an order that replays. What is still under way when the
/// world ends outlives its process.
struct Wires {
  std::map<std::uint64_t, Wire*> open;
  std::uint64_t next = 1;
  std::size_t leaked = 0;  ///< with a bug
};

/// What one process sees of a simulated world, which outlives it, and what a nemesis does to it:
/// its clock, its stops, its connections. One thread.
class ProcessWorld final : public base::World, private base::Network, public base::Processes {
 public:
  ProcessWorld(base::World& inner, const Bugs& bugs);
  ~ProcessWorld() override;

  ProcessClock& clock() override { return clock_; }
  base::Network& network() override { return *this; }
  base::Random& random() override { return inner_.random(); }
  base::Files& files() override { return inner_.files(); }
  base::Executor make_executor() override { return inner_.make_executor(); }
  /// There are no other programs.
  base::Task<base::Result<base::ProgramEnd>> run(base::Program program,
                                                 base::MonotonicTime deadline) override;

  /// Cut off: every connection is reset, and none can be made until the line is back.
  void set_cut(bool cut);
  /// Resets each connection with one chance in `one_in`.
  void cut_some(std::size_t one_in);
  /// Of each connection, with one chance in `one_in`: nothing passes any more. What is written
  /// waits, and is lost if it is closed before it passes, as in a network that drops packets.
  void clog_some(std::size_t one_in);
  /// Frees one clogged connection, by seed; false when there is none.
  bool unclog_one();
  void unclog_all();
  /// The next `count` writes reach the server, and their answers are lost with the connection.
  void drop_replies(std::size_t count) { drop_replies_ = count; }

  [[nodiscard]] std::size_t wires() const noexcept { return wires_->open.size() + wires_->leaked; }
  /// The most that was written and had not been taken by the network, of any one connection.
  [[nodiscard]] std::size_t unsent_bytes_max() const noexcept { return unsent_max_; }

 private:
  friend class Wire;
  friend class ProcessListener;
  base::Result<std::unique_ptr<base::Listener>> listen(const base::Endpoint& endpoint) override;
  base::Task<base::Result<std::unique_ptr<base::Stream>>> connect(
      base::Endpoint endpoint, base::MonotonicTime deadline) override;

  base::World& inner_;
  const Bugs& bugs_;
  ProcessClock clock_;
  bool cut_ = false;
  std::size_t drop_replies_ = 0;
  std::size_t unsent_max_ = 0;
  std::shared_ptr<Wires> wires_ = std::make_shared<Wires>();
};

}  // namespace podkeeper::world
