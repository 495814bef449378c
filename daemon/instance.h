#pragma once

#include <string>

namespace podkeeper::daemon {

/// The host's name, which in a cluster is the pod's; "podkeeper" where there is none.
std::string instance_name();

}  // namespace podkeeper::daemon
