#pragma once

#include "pkg/state/partitioned_map.h"
#include "pkg/telemetry/metrics.h"

#include <map>
#include <string>
#include <vector>

namespace podkeeper::daemon {

/// podkeeper_map_* of every partition; those of one that is gone go too. For one thread at a time
/// (the scrape's).
class MapMetrics {
 public:
  MapMetrics(telemetry::Metrics& metrics, std::vector<const state::Partitions*> maps)
      : metrics_(metrics), maps_(std::move(maps)) {}

  void refresh();

 private:
  void report(const std::string& partition, const cmap::MapStats& now);
  void forget(const std::string& partition, const cmap::MapStats& last);

  telemetry::Metrics& metrics_;
  const std::vector<const state::Partitions*> maps_;
  std::map<std::string, cmap::MapStats> reported_;  ///< as of the last scrape
};

}  // namespace podkeeper::daemon
