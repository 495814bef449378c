// Without its handle a refresh never runs; with it, none runs after its owner.
#include "tests/misuse/prelude.h"

namespace podkeeper::refresh_handle_dropped {

std::shared_ptr<void> use(telemetry::Metrics& metrics) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{ignoring return value}}
  metrics.on_scrape([] {});
  return {};
#else
  return metrics.on_scrape([] {});
#endif
}

}  // namespace podkeeper::refresh_handle_dropped
