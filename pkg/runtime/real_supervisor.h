#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/recovery/crash_report.h"

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::runtime {

/// How a process ended that a signal ended.
struct Crash {
  int signal = 0;
  base::Duration ran_for{};                          ///< from its start to its end
  std::optional<recovery::CrashReport> report = {};  ///< none: it had no time to tell (SIGKILL)
};

/// What a supervised process knows of those before it, and has of theirs.
class Supervision {
 public:
  static constexpr std::size_t kCrashesMax = 8;
  static constexpr int kLoopCrashes = 5;
  /// Who ran for so long is no part of a crash loop.
  static constexpr base::Duration kSettled = std::chrono::minutes(1);
  static constexpr base::Duration kDelayMax = std::chrono::seconds(30);

  /// The last ones, newest first.
  [[nodiscard]] const std::deque<Crash>& crashes() const noexcept { return crashes_; }
  /// All there were, by signal.
  [[nodiscard]] const std::map<int, std::uint64_t>& crashes_by_signal() const noexcept {
    return by_signal_;
  }
  [[nodiscard]] std::uint64_t restarts() const noexcept { return restarts_; }
  /// kLoopCrashes processes or more in a row have not lived for kSettled.
  [[nodiscard]] bool crash_loop() const noexcept { return streak_ >= kLoopCrashes; }
  /// For recovery::CrashHandling.
  [[nodiscard]] int report_to() const noexcept { return report_to_; }

  /// The listening socket that the process before had for this address, open all the while, so that
  /// who connected meanwhile is waiting in it; the caller owns the descriptor. Of several for the
  /// same address (port 0) each is given once, in the order of their coming. Any thread.
  std::optional<int> take_listener(const std::string& address);
  /// Shares a listening socket, which the next process will find. Any thread; never waits.
  void keep_listener(const std::string& address, int descriptor);

 private:
  friend class Supervisor;
  /// One more process ended by a signal; how long to wait before the next begins.
  base::Duration note(Crash crash);

  std::deque<Crash> crashes_;
  std::map<int, std::uint64_t> by_signal_;
  std::uint64_t restarts_ = 0;
  int streak_ = 0;
  int report_to_ = -1;
  int link_ = -1;
  base::Mutex mutex_;
  std::vector<std::pair<std::string, int>> listeners_ PK_GUARDED_BY(mutex_);
};

/// What a supervisor sends in place of the SIGTERM or SIGINT that it got.
inline constexpr int kPassedOn = SIGUSR2;

/// Runs `serve` in a process of its own, and again in another as often as a signal ends it (a
/// crash, the OOM killer), at once or, in a crash loop, after 1, 2, 4, ... 30 s. Returns twice: in
/// every process that serves what `serve` returned, and in this one, once such a process ended by
/// itself, its exit code, or 128 and a signal that was to end us both.
///
/// The listening sockets stay open in this process, the reports of those that crashed are in its
/// memory, and nothing else is: a fork before there are threads, without exec, so that addresses of
/// one process mean the same in the next. SIGTERM and SIGINT are passed on as kPassedOn, so that
/// RealWorld can tell them from those that reach the whole group, as Ctrl-C does. The process that
/// serves dies with this one. `json`: how the lines of this process's log are. Throws
/// std::system_error where there is no process to be had. Call it before anything starts a thread.
int supervise(const std::function<int(Supervision&)>& serve, bool json);

}  // namespace podkeeper::runtime
