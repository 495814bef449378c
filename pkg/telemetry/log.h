#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/telemetry/log_line.h"
#include "pkg/telemetry/metrics.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace podkeeper::telemetry {

/// Says what happened: a constant event and its data.
///
///     telemetry::log_info("listening", {{"name", name}, {"address", address}});
///
/// Any thread; about 1 us; never waits for the output. The trace of the current task is added.
/// Without a Logging alive nothing is written. Floors 2 and up log; base and recovery never do.
void log_error(const LogEvent& event, std::initializer_list<LogField> fields = {});
void log_warn(const LogEvent& event, std::initializer_list<LogField> fields = {});
void log_info(const LogEvent& event, std::initializer_list<LogField> fields = {});
/// Shown at -v 4 and above.
void log_debug(const LogEvent& event, std::initializer_list<LogField> fields = {});
/// Shown at -v `verbosity` and above, as level debug.
void log_verbose(int verbosity, const LogEvent& event, std::initializer_list<LogField> fields = {});
/// For fields that are put together at run time.
void log(LogLevel level, const LogEvent& event, std::span<const LogField> fields);
/// Whether debug lines of this verbosity are shown: ask before costly fields are put together.
[[nodiscard]] bool log_shows(int verbosity) noexcept;

inline constexpr int kDebugVerbosity = 4;  ///< of log_debug, as Kubernetes counts

struct LogOptions {
  LogFormat format = LogFormat::kText;
  int verbosity = 0;                    ///< -v; errors, warnings and infos are always shown
  std::size_t queue_lines_max = 8'192;  ///< waiting lines; then the oldest gives way and is counted
  int output_fd = 2;
  /// In place of output_fd: called with each line, its end included, on the thread that logs. For
  /// tests and simulation.
  std::function<void(std::string_view line)> write = {};
};

/// Writes what is logged, as long as it lives; made once, by main, after the clock and the metrics
/// that it uses. A thread of its own writes, so that an output that does not take its lines never
/// stops a thread of ours.
class Logging {
 public:
  /// PK_CHECKs that there is no other.
  Logging(LogOptions options, base::Clock& clock, Metrics* metrics = nullptr);
  /// Writes what waits; an output that takes nothing for a second loses the rest.
  ~Logging();
  Logging(const Logging&) = delete;
  Logging& operator=(const Logging&) = delete;

  void set_verbosity(int verbosity) noexcept;
  [[nodiscard]] int verbosity() const noexcept;
  /// Lines lost because the output did not take them in time.
  [[nodiscard]] std::uint64_t dropped() const noexcept;
  /// How long the output has taken nothing although a line waits; empty while it flows. For the
  /// health check `log`.
  [[nodiscard]] std::optional<base::Duration> blocked_for() const noexcept;

 private:
  struct State;
  friend void log(LogLevel level, const LogEvent& event, std::span<const LogField> fields);
  friend void log_verbose(int verbosity, const LogEvent& event,
                          std::initializer_list<LogField> fields);
  std::shared_ptr<State> state_;
};

/// Lets an event that may repeat be said at most once per `interval` (after a first `burst`), and
/// counts what it leaves out:
///
///     if (const auto suppressed = limiter.admit()) log_warn("...", {{"suppressed", *suppressed}});
///
/// Thread-safe; the clock outlives it.
class RateLimiter {
 public:
  RateLimiter(base::Clock& clock, base::Duration interval, std::uint32_t burst = 1);
  /// Empty: leave it out. Else say it, and this many were left out since the last one.
  std::optional<std::uint64_t> admit();

 private:
  base::Clock& clock_;
  const base::Duration interval_;
  const base::Duration burst_;
  base::Mutex mutex_;
  base::MonotonicTime next_ PK_GUARDED_BY(mutex_){};  ///< when a whole burst is free again
  std::uint64_t suppressed_ PK_GUARDED_BY(mutex_) = 0;
};

}  // namespace podkeeper::telemetry
