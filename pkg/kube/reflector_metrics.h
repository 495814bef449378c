#pragma once

#include "pkg/kube/object.h"
#include "pkg/telemetry/metrics.h"

#include <string_view>

namespace podkeeper::kube {

/// The podkeeper_reflector_* children of one resource, resolved once. Thread-safe.
struct ReflectorMetrics {
  /// How a LIST or a WATCH ended.
  struct Results {
    telemetry::Counter* success;
    telemetry::Counter* error;
    telemetry::Counter* expired;
  };
  ReflectorMetrics(telemetry::Metrics& metrics, std::string_view resource);
  [[nodiscard]] telemetry::Counter& events(EventType type) const noexcept;

  Results lists;
  Results watches;
  Results relists;
  telemetry::Counter& added;
  telemetry::Counter& modified;
  telemetry::Counter& deleted;
  telemetry::Counter& bookmarks;
  telemetry::Counter& stale_bookmarks;  ///< those that went back, and were ignored
  telemetry::Counter& stale_events;     ///< those of no newer revision than what came before
  telemetry::Counter& errors;
  telemetry::Counter& decode_errors;
  telemetry::Histogram& event_lag_seconds;
  telemetry::Histogram& list_seconds;
  telemetry::Gauge& synced;
};

}  // namespace podkeeper::kube
