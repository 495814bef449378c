#pragma once

#include "pkg/runtime/real_world.h"
#include "pkg/settings/settings.h"

namespace podkeeper::daemon {

/// `podkeeperd healthcheck`: asks the running daemon's /readyz on its health listener. 0 when it is
/// ready; 1, with one line that says why, when it is not or does not answer within 5 s.
int healthcheck(runtime::RealWorld& world, const settings::Settings& settings);

}  // namespace podkeeper::daemon
