#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/simkube/fault_script.h"
#include "pkg/telemetry/metrics.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::simkube {

/// What a request asks, by its first line.
struct Asked {
  std::string verb;      ///< as FaultWhen has it; empty for any other
  std::string resource;  ///< "pods", "deployments.apps"; empty where it names none
};
/// Reads "GET /api/v1/pods?watch=true HTTP/1.1". Pure.
Asked asked_by(std::string_view request_line);

/// A fault script as it runs: tells of each request what is to befall it, and counts. Thread-safe.
class FaultPlan {
 public:
  /// `rules` begin to count now. The clock and the metrics outlive it.
  FaultPlan(base::Clock& clock, telemetry::Metrics& metrics, std::vector<FaultRule> rules);

  /// What befalls a request, in the script's order; each is counted as done. Once a request.
  [[nodiscard]] std::vector<FaultDo> befalls(const Asked& asked);
  [[nodiscard]] bool empty() const noexcept { return rules_.empty(); }

 private:
  base::Clock& clock_;
  const base::MonotonicTime start_;
  const std::vector<FaultRule> rules_;
  std::vector<telemetry::Counter*> counters_;  ///< of each rule's fault
  base::Mutex mutex_;
  std::vector<std::uint64_t> matched_ PK_GUARDED_BY(mutex_);  ///< of each rule, requests so far
};

}  // namespace podkeeper::simkube
