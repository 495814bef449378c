#pragma once

#include "pkg/base/clock.h"
#include "pkg/telemetry/metrics.h"

#include <cstddef>
#include <string_view>

namespace podkeeper::runtime {

/// The workqueue_* families of one queue, under the names that Kubernetes uses; without a Metrics
/// it counts nothing. Thread-safe.
class WorkQueueMetrics {
 public:
  WorkQueueMetrics(telemetry::Metrics* metrics, std::string_view name);

  void added();
  void retried();
  void depth(std::size_t waiting);
  /// A worker took a key that had waited this long.
  void taken(base::Duration waited);
  /// A worker is done with a key after this long.
  void done(base::Duration worked);
  /// What is in work now, all together and the longest; told before every scrape.
  void in_work(base::Duration all, base::Duration longest);

 private:
  telemetry::Gauge* depth_ = nullptr;
  telemetry::Counter* adds_ = nullptr;
  telemetry::Counter* retries_ = nullptr;
  telemetry::Histogram* queue_seconds_ = nullptr;
  telemetry::Histogram* work_seconds_ = nullptr;
  telemetry::Gauge* unfinished_ = nullptr;
  telemetry::Gauge* longest_ = nullptr;
};

}  // namespace podkeeper::runtime
