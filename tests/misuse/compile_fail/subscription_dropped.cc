// A subscription ends with its handle.
#include "tests/misuse/prelude.h"

namespace podkeeper::subscription_dropped {

runtime::WakeupList::Subscription use(runtime::WakeupList& changes, runtime::Wakeup& wakeup) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{ignoring return value}}
  changes.subscribe(wakeup);
  return {};
#else
  return changes.subscribe(wakeup);
#endif
}

}  // namespace podkeeper::subscription_dropped
