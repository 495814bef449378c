#pragma once

#include "pkg/base/clock.h"
#include "pkg/cmap/observed.h"
#include "pkg/telemetry/metrics.h"

#include <cstdint>
#include <memory>

namespace podkeeper::daemon {

/// Connects recovered panics to the log (one `panic_recovered` line each, rate-limited, with the
/// count of those left out), to podkeeper_panics_total and to podkeeper_map_misuse_total, for as
/// long as it lives.
class PanicSinks {
 public:
  PanicSinks(base::Clock& clock, telemetry::Metrics& metrics);
  ~PanicSinks();
  PanicSinks(const PanicSinks&) = delete;
  PanicSinks& operator=(const PanicSinks&) = delete;

 private:
  std::uint64_t sink_;
};

/// Lets panic reports tell what the maps remember of the panicking task, for as long as it lives.
class PanicAudit {
 public:
  /// The maps that there are when a panic comes.
  explicit PanicAudit(cmap::MapDirectory maps);
  ~PanicAudit();
  PanicAudit(const PanicAudit&) = delete;
  PanicAudit& operator=(const PanicAudit&) = delete;
};

}  // namespace podkeeper::daemon
