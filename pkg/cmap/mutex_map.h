#pragma once

#include "pkg/base/mutex.h"
#include "pkg/cmap/locked_map.h"
#include "pkg/cmap/strategy.h"

namespace podkeeper::cmap {

/// Strategy Mutex: one table, one mutex, for readers and writers alike. Simple to reason about
/// and smallest; the right one for a map that is seldom used by two threads at once.
using MutexMap = LockedMap<base::Mutex, Strategy::kMutex>;
static_assert(ConcurrentMap<MutexMap>);

}  // namespace podkeeper::cmap
