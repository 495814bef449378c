#pragma once

#include "pkg/base/mutex.h"
#include "pkg/cmap/locked_map.h"
#include "pkg/cmap/strategy.h"

namespace podkeeper::cmap {

/// Strategy RWMutex: one table, one shared mutex behind a turnstile: readers share, writers
/// are not starved. Worth it only where reads under the lock are long (scans): for point reads the
/// lock word itself is the bottleneck.
using RWMutexMap = LockedMap<base::SharedMutex, Strategy::kRWMutex>;
static_assert(ConcurrentMap<RWMutexMap>);

}  // namespace podkeeper::cmap
