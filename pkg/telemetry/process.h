#pragma once

#include "pkg/telemetry/metrics.h"

#include <memory>
#include <string>

namespace podkeeper::telemetry {

/// Keeps process_* (CPU time, memory, file descriptors, threads, start time) in step with the
/// system, at every scrape, as long as it lives. `proc` is where the proc file system is; what
/// cannot be read keeps its last value.
class ProcessCollector {
 public:
  explicit ProcessCollector(Metrics& metrics, std::string proc = "/proc");
  ~ProcessCollector();
  ProcessCollector(const ProcessCollector&) = delete;
  ProcessCollector& operator=(const ProcessCollector&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace podkeeper::telemetry
