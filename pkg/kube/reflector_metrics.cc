#include "pkg/kube/reflector_metrics.h"

#include "pkg/kube/object.h"
#include "pkg/telemetry/metric_names.h"
#include "pkg/telemetry/metrics.h"

#include <string_view>

namespace podkeeper::kube {
namespace {

ReflectorMetrics::Results results(telemetry::Metrics& metrics, const telemetry::MetricDesc& desc,
                                  std::string_view resource) {
  return {.success = &metrics.counter(desc, {resource, "success"}),
          .error = &metrics.counter(desc, {resource, "error"}),
          .expired = &metrics.counter(desc, {resource, "expired"})};
}

telemetry::Counter& events_of(telemetry::Metrics& metrics, std::string_view resource,
                              std::string_view type) {
  return metrics.counter(telemetry::kReflectorEvents, {resource, type});
}

}  // namespace

ReflectorMetrics::ReflectorMetrics(telemetry::Metrics& metrics, std::string_view resource)
    : lists(results(metrics, telemetry::kReflectorLists, resource)),
      watches(results(metrics, telemetry::kReflectorWatches, resource)),
      relists(results(metrics, telemetry::kReflectorRelists, resource)),
      added(events_of(metrics, resource, to_string(EventType::kAdded))),
      modified(events_of(metrics, resource, to_string(EventType::kModified))),
      deleted(events_of(metrics, resource, to_string(EventType::kDeleted))),
      bookmarks(events_of(metrics, resource, to_string(EventType::kBookmark))),
      stale_bookmarks(events_of(metrics, resource, "STALE_BOOKMARK")),
      stale_events(events_of(metrics, resource, "STALE_EVENT")),
      errors(events_of(metrics, resource, to_string(EventType::kError))),
      decode_errors(metrics.counter(telemetry::kReflectorDecodeErrors, {resource})),
      event_lag_seconds(metrics.histogram(telemetry::kReflectorEventLag, {resource})),
      list_seconds(metrics.histogram(telemetry::kReflectorListDuration, {resource})),
      synced(metrics.gauge(telemetry::kReflectorSynced, {resource})) {}

telemetry::Counter& ReflectorMetrics::events(EventType type) const noexcept {
  switch (type) {
    case EventType::kAdded:
      return added;
    case EventType::kModified:
      return modified;
    case EventType::kDeleted:
      return deleted;
    case EventType::kBookmark:
      return bookmarks;
    case EventType::kError:
      return errors;
  }
  return errors;
}

}  // namespace podkeeper::kube
