// A snapshot must go before its map does.
#include "tests/misuse/prelude.h"

namespace podkeeper::snapshot_past_its_map {

auto use(const cmap::CopyOnWriteMap& map) {
#ifdef PK_MISUSE
  (void)map;
  const cmap::CopyOnWriteMap pods;
  // misuse-error@+1 {{address of stack memory}}
  return pods.snapshot();
#else
  return map.snapshot();
#endif
}

}  // namespace podkeeper::snapshot_past_its_map
