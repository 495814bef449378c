#pragma once

#include "pkg/health/checks.h"
#include "pkg/http/message.h"
#include "pkg/http/server.h"

#include <memory>

namespace podkeeper::api {

/// The checks of the three endpoints. Filled at start, then constant.
struct HealthChecks {
  health::Checks healthz{"healthz"};
  health::Checks livez{"livez"};
  health::Checks readyz{"readyz"};
};

/// Serves /healthz, /livez and /readyz, each with `/<check>`, `?verbose` and `?exclude=`. Why a
/// check failed goes to the log, at most once in ten seconds a check; the answer says "reason
/// withheld".
void add_health_routes(http::Router& router, std::shared_ptr<const HealthChecks> checks,
                       base::Clock& clock);

}  // namespace podkeeper::api
