#pragma once

#include "pkg/base/files.h"
#include "pkg/base/result.h"
#include "pkg/http/server.h"
#include "pkg/settings/settings.h"

#include <cstddef>

namespace podkeeper::daemon {

/// Descriptors that no client can take: the event loop's, the log's, our connections to the API
/// server, files being read.
inline constexpr std::size_t kOwnDescriptors = 128;

/// What each listener may take of what the system gives to the process. All of them at their limits
/// leave kOwnDescriptors, so that health is answered however many connections the API has.
struct ListenerLimits {
  http::ServerLimits api;
  http::ServerLimits aside;  ///< of health, and of metrics
};

/// How many descriptors the process may have: its soft limit on open files, as /proc/self/limits
/// has it. Where that cannot be read or says "unlimited": a number that limits nothing.
std::size_t descriptors_max(base::Files& files);

/// The settings, lowered (and said in the log) where `descriptors` are too few for them.
/// kInvalidArgument where they are too few to serve at all.
base::Result<ListenerLimits> listener_limits(const settings::Settings& settings,
                                             std::size_t descriptors);

/// The embedded cluster's share.
std::size_t embedded_connections_max(std::size_t descriptors);

}  // namespace podkeeper::daemon
