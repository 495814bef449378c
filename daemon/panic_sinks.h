#pragma once

#include "pkg/base/clock.h"
#include "pkg/telemetry/metrics.h"

#include <cstdint>
#include <memory>

namespace podkeeper::daemon {

/// Connects recovered panics to the log (one `panic_recovered` line each, rate-limited, with the
/// count of those left out) and to podkeeper_panics_total, for as long as it lives.
class PanicSinks {
 public:
  PanicSinks(base::Clock& clock, telemetry::Metrics& metrics);
  ~PanicSinks();
  PanicSinks(const PanicSinks&) = delete;
  PanicSinks& operator=(const PanicSinks&) = delete;

 private:
  std::uint64_t sink_;
};

}  // namespace podkeeper::daemon
