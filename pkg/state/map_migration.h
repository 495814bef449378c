#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/cmap/map.h"

#include <chrono>
#include <concepts>
#include <cstddef>

namespace podkeeper::state {

/// What a migration may take of time and of the processor.
struct MigrationLimits {
  base::Duration timeout = std::chrono::seconds(30);  ///< until the new strategy serves
  std::size_t step_keys = 1024;                       ///< copied between two pauses; at least 1
  base::Duration pause = std::chrono::milliseconds(1);
  /// How long reads are counted before and after.
  base::Duration window = std::chrono::milliseconds(100);
};

/// What readers get of a map.
struct ReadFigures {
  double per_second = 0;  ///< reads that were counted over the window
  base::Duration p99{};   ///< of 512 timed finds of keys that are there
};

struct MigrationReport {
  base::Duration duration{};  ///< from the announcement to the old table's end
  std::size_t copied = 0;     ///< records
  ReadFigures before;
  ReadFigures after;
};

/// Changes the map's strategy, shard count or hash while it is used: drives cmap::Migration at the
/// limits' pace. kConflict while another migration of the map runs; kTimeout when it did not reach
/// the new strategy in time. However it ends without a report (an error, a throw for want of
/// memory, a cancellation), the old strategy serves, unless the new one does already. The map must
/// outlive the task. O(records).
base::Task<base::Result<MigrationReport>> migrate(base::Clock& clock, cmap::SwitchedMap& map,
                                                  cmap::MapOptions to, MigrationLimits limits = {});

template <std::derived_from<cmap::Record> V>
base::Task<base::Result<MigrationReport>> migrate(base::Clock& clock, cmap::Map<V>& map,
                                                  cmap::MapOptions to,
                                                  MigrationLimits limits = {}) {
  return migrate(clock, map.untyped(), to, limits);
}

}  // namespace podkeeper::state
