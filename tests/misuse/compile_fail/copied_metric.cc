// What a copy counts, no scrape shows.
#include "tests/misuse/prelude.h"

namespace podkeeper::copied_metric {

void use(telemetry::Metrics& metrics, const telemetry::MetricDesc& desc) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{deleted}}
  telemetry::Gauge mine = metrics.gauge(desc);
  mine.Set(1);
#else
  telemetry::Gauge& mine = metrics.gauge(desc);
  mine.Set(1);
#endif
}

}  // namespace podkeeper::copied_metric
