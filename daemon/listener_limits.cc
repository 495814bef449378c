#include "daemon/listener_limits.h"

#include "pkg/telemetry/log.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace podkeeper::daemon {
namespace {

constexpr std::size_t kUnlimited = std::size_t{1} << 30;
constexpr std::size_t kProcFileBytesMax = 64 << 10;
/// The API refuses every write with 405, and reads its body first so that the client sees the
/// answer. What kubectl sends fits; more is 413.
constexpr std::size_t kRefusedBodyBytesMax = 64 << 10;
/// Probes and scrapers are few and quick; one address cannot take all their places.
constexpr std::size_t kAsideDivisor = 16;
constexpr std::size_t kAsideConnectionsMin = 32;
constexpr std::size_t kAsideConnectionsMax = 256;
constexpr std::size_t kAsidePerSourceDivisor = 4;
constexpr base::Duration kAsideHeaderTimeout = std::chrono::seconds(5);
constexpr std::size_t kApiConnectionsMin = 16;
/// The embedded cluster gets one descriptor in so many.
constexpr std::size_t kEmbeddedDivisor = 8;
constexpr std::size_t kEmbeddedConnectionsMax = 10'000;

http::ServerLimits aside_limits(std::size_t descriptors) {
  http::ServerLimits limits;
  limits.connections_max =
      std::clamp(descriptors / kAsideDivisor, kAsideConnectionsMin, kAsideConnectionsMax);
  limits.connections_per_source_max = limits.connections_max / kAsidePerSourceDivisor;
  limits.header_timeout = kAsideHeaderTimeout;
  return limits;
}

/// As large a part of `cap` as it was of `wanted`.
std::size_t scaled(std::size_t per_source, std::size_t cap, std::size_t wanted) {
  return std::max<std::size_t>(1, std::min(per_source, wanted) * cap / wanted);
}

}  // namespace

std::size_t descriptors_max(base::Files& files) {
  const auto text = files.read("/proc/self/limits", kProcFileBytesMax);
  if (!text) return kUnlimited;
  constexpr std::string_view kName = "Max open files";
  const std::size_t at = text->find(kName);
  if (at == std::string::npos) return kUnlimited;
  const std::size_t begin = text->find_first_not_of(' ', at + kName.size());
  if (begin == std::string::npos) return kUnlimited;
  std::uint64_t soft = 0;
  const auto [end, error] =
      std::from_chars(text->data() + begin, text->data() + text->size(), soft);
  if (error != std::errc{}) return kUnlimited;
  return std::min<std::uint64_t>(soft, kUnlimited);
}

base::Result<ListenerLimits> listener_limits(const settings::Settings& settings,
                                             std::size_t descriptors) {
  ListenerLimits limits{.api = {}, .aside = aside_limits(descriptors)};
  limits.api.body_bytes_max = kRefusedBodyBytesMax;
  limits.api.requests_inflight_max = static_cast<std::size_t>(settings.max_requests_inflight);
  limits.api.request_timeout = settings.request_timeout;
  std::size_t reserve = kOwnDescriptors + 2 * http::descriptors_needed(limits.aside);
  if (settings.standalone) {
    http::ServerLimits embedded;
    embedded.connections_max = embedded_connections_max(descriptors);
    reserve += http::descriptors_needed(embedded);
  }
  const std::size_t left =
      descriptors > reserve ? http::connections_within(descriptors - reserve) : 0;
  if (left < kApiConnectionsMin) {
    return base::Error{base::ErrorCode::kInvalidArgument,
                       "the limit on open files is " + std::to_string(descriptors) +
                           ", which leaves too few for clients; raise it to 1024 or more "
                           "(ulimit -n)"};
  }
  const auto wanted = static_cast<std::size_t>(settings.max_connections);
  const auto per_source = static_cast<std::size_t>(settings.max_connections_per_source);
  limits.api.connections_max = std::min(wanted, left);
  limits.api.connections_per_source_max = per_source;
  if (left < wanted) {
    limits.api.connections_per_source_max = scaled(per_source, left, wanted);
    telemetry::log_warn("connections lowered",
                        {{"maxConnections", wanted}, {"openFiles", descriptors}, {"now", left}});
  }
  return limits;
}

std::size_t embedded_connections_max(std::size_t descriptors) {
  return std::min(kEmbeddedConnectionsMax,
                  http::connections_within(descriptors / kEmbeddedDivisor));
}

}  // namespace podkeeper::daemon
