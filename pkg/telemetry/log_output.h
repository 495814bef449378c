#pragma once

#include "pkg/base/clock.h"

#include <spdlog/sinks/sink.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace podkeeper::telemetry::detail {

/// Writes whole lines to a file descriptor and waits while it takes nothing. Called by one thread,
/// the logger's; the counters may be read by any.
class LogOutput final : public spdlog::sinks::sink {
 public:
  LogOutput(int fd, base::Clock& clock) : fd_(fd), clock_(clock) {}

  void log(const spdlog::details::log_msg& message) override;
  void flush() override {}  // nothing is kept back
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

  /// From now on the output may block for one second in all, then lines are lost.
  void hurry() noexcept { hurry_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t lost() const noexcept {
    return lost_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::optional<base::Duration> blocked_for() const noexcept;

 private:
  bool write_all(std::string_view bytes);
  bool wait_writable();

  const int fd_;
  base::Clock& clock_;
  int hurried_waits_left_ = 10;  ///< of kPollMs each
  std::atomic<bool> hurry_{false};
  std::atomic<std::uint64_t> lost_{0};
  std::atomic<base::Duration::rep> blocked_since_{kFlowing};
  static constexpr int kPollMs = 100;
  static constexpr base::Duration::rep kFlowing = -1;
};

}  // namespace podkeeper::telemetry::detail
