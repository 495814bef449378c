#pragma once

#include "pkg/base/clock.h"
#include "pkg/http/framing.h"
#include "pkg/http/message.h"
#include "pkg/telemetry/metrics.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace podkeeper::http {

/// What a connection was doing when its deadline passed: the label of
/// podkeeper_http_timeouts_total.
enum class Phase { kHeader, kBody, kIdle, kWrite, kStream };
inline constexpr std::size_t kPhases = static_cast<std::size_t>(Phase::kStream) + 1;
const char* to_string(Phase phase) noexcept;

/// The server's numbers, each resolved once to its metric: an answer costs a few pointer reads and
/// no look-up. Servers on one Metrics share the series. Thread-safe.
class ServerMetrics {
 public:
  static constexpr std::size_t kResourcesMax = 64;  ///< more are counted as "other"

  explicit ServerMetrics(telemetry::Metrics& metrics);
  ~ServerMetrics();
  ServerMetrics(const ServerMetrics&) = delete;
  ServerMetrics& operator=(const ServerMetrics&) = delete;

  /// A head that went out.
  void count(const Response& response);
  /// An answer that went out whole; streams have no such moment.
  void observe(const Response& response, base::Duration duration, std::size_t bytes);
  void reject(Rejection rejection);
  void time_out(Phase phase) { timeouts_[static_cast<std::size_t>(phase)]->Increment(); }

  telemetry::Gauge& connections;
  telemetry::Gauge& requests_inflight;
  telemetry::Gauge& streams_inflight;
  telemetry::Counter& accept_errors;

 private:
  struct Series;
  struct Resource;
  Series& series(const Response& response);
  Resource& resource(std::string_view name);

  telemetry::Metrics& metrics_;
  std::array<telemetry::Counter*, kRejections> rejected_{};
  std::array<telemetry::Counter*, kPhases> timeouts_{};
  // Filled from the front and never changed, so that a reader needs no lock.
  std::array<std::atomic<Resource*>, kResourcesMax> resources_{};
  std::unique_ptr<Resource> other_;
};

}  // namespace podkeeper::http
