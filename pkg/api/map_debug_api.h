#pragma once

#include "pkg/base/clock.h"
#include "pkg/cmap/observed.h"
#include "pkg/http/server.h"

#include <cstddef>

namespace podkeeper::api {

/// Serves, for each map that `maps` gives at the time of the request, as JSON:
///  * /debug/maps/{partition}/audit?limit=: its last operations, newest first;
///  * /debug/maps/{partition}/heap?limit=: how full its tables are, all together and each for the
///    `limit` fullest: buckets by fill, entries by probe length, tombstones, bytes.
/// An unknown partition is 404 with the names there are; a limit out of range is 400.
void add_map_debug_routes(http::Router& router, cmap::MapDirectory maps, base::Clock& clock);

inline constexpr std::size_t kAuditLimitDefault = 256;
inline constexpr std::size_t kHeapLimitDefault = 16;

}  // namespace podkeeper::api
