#pragma once

#include "pkg/base/clock.h"
#include "pkg/http/server.h"
#include "pkg/settings/settings.h"
#include "pkg/telemetry/metrics.h"

#include <string>

namespace podkeeper::api {

/// What this build is, for /statusz, `podkeeperd version` and podkeeper_build_info.
struct BuildInfo {
  std::string version;
  std::string commit;
  std::string compiler;
};
const BuildInfo& build_info();

/// Serves /metrics: Prometheus text, gzip where it is asked for.
void add_metrics_route(http::Router& router, telemetry::Metrics& metrics);

/// Serves /statusz (build, uptime), /flagz (every setting as a flag) and /configz (the same as
/// JSON), in the form of Kubernetes' component pages.
void add_status_routes(http::Router& router, const settings::Settings& settings,
                       base::Clock& clock);

}  // namespace podkeeper::api
