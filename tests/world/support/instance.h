#pragma once

#include "pkg/settings/settings.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metrics.h"

#include <cstddef>
#include <memory>
#include <string>

#include "daemon/app.h"
#include "tests/world/support/model_server.h"
#include "tests/world/support/process.h"

namespace podkeeper::world {

/// One podkeeperd, whole, in a process of the simulated world, that may be stopped, killed and
/// started again. What it is given outlives it.
class Instance {
 public:
  Instance(base::World& world, const telemetry::Logging& logging, const Bugs& bugs, View& view,
           settings::Settings settings, std::size_t number);
  ~Instance();

  base::Task<void> start();
  /// SIGTERM.
  base::Task<void> terminate();
  /// SIGKILL: nothing it still does reaches anybody.
  base::Task<void> kill();
  [[nodiscard]] bool up() const noexcept { return app_ != nullptr; }
  [[nodiscard]] ProcessWorld& process() noexcept { return process_; }
  [[nodiscard]] std::string name() const { return name_; }

 private:
  ProcessWorld process_;
  const telemetry::Logging& logging_;
  View& view_;
  const settings::Settings settings_;
  const std::string name_;
  std::unique_ptr<telemetry::Metrics> metrics_;
  std::unique_ptr<daemon::App> app_;
};

}  // namespace podkeeper::world
