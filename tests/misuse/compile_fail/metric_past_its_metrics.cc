// A metric lives as long as its registry.
#include "tests/misuse/prelude.h"

namespace podkeeper::metric_past_its_metrics {

void use(telemetry::Metrics& metrics, const telemetry::MetricDesc& desc) {
#ifdef PK_MISUSE
  (void)metrics;
  // misuse-error@+1 {{will be destroyed at the end of the full-expression}}
  telemetry::Gauge& gauge = telemetry::Metrics().gauge(desc);
  gauge.Set(1);
#else
  telemetry::Gauge& gauge = metrics.gauge(desc);
  gauge.Set(1);
#endif
}

}  // namespace podkeeper::metric_past_its_metrics
