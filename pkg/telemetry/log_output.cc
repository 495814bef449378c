#include "pkg/telemetry/log_output.h"

#include <spdlog/details/log_msg.h>

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <string>
#include <unistd.h>

namespace podkeeper::telemetry::detail {

void LogOutput::log(const spdlog::details::log_msg& message) {
  std::string line(message.payload.data(), message.payload.size());
  line += '\n';
  if (!write_all(line)) lost_.fetch_add(1, std::memory_order_relaxed);
}

std::optional<base::Duration> LogOutput::blocked_for() const noexcept {
  const auto since = blocked_since_.load(std::memory_order_relaxed);
  if (since == kFlowing) return std::nullopt;
  return clock_.now() - base::MonotonicTime(base::Duration(since));
}

bool LogOutput::write_all(std::string_view bytes) {
  // What poll() calls writable takes at least this much of a pipe without blocking.
  constexpr std::size_t kPieceBytes = 4096;
  while (!bytes.empty()) {
    if (!wait_writable()) return false;
    const ssize_t written = ::write(fd_, bytes.data(), std::min(bytes.size(), kPieceBytes));
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR && errno != EAGAIN) {
      return false;  // the reader is gone, or the disk is full
    }
  }
  return true;
}

/// False when nothing was taken for too long and the process wants to end.
bool LogOutput::wait_writable() {
  pollfd descriptor{.fd = fd_, .events = POLLOUT, .revents = 0};
  while (::poll(&descriptor, 1, hurried_waits_left_ > 0 ? kPollMs : 0) == 0) {
    if (blocked_since_.load(std::memory_order_relaxed) == kFlowing) {
      blocked_since_.store(clock_.now().time_since_epoch().count(), std::memory_order_relaxed);
    }
    if (hurry_.load(std::memory_order_relaxed) && --hurried_waits_left_ <= 0) return false;
  }
  blocked_since_.store(kFlowing, std::memory_order_relaxed);
  return true;
}

}  // namespace podkeeper::telemetry::detail
