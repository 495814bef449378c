// What a find gives is freed once its guard is left.
#include "tests/misuse/prelude.h"

namespace podkeeper::address_returned_past_its_guard {

auto use(const state::PartitionedMap<state::Record>& pods, const cmap::Key& key) {
#ifdef PK_MISUSE
  const base::Epoch::Guard guard;
  // misuse-error@+1 {{address of stack memory}}
  return pods.find(guard, key);
#else
  const base::Epoch::Guard guard;
  return state::RecordRef(pods.find(guard, key));
#endif
}

}  // namespace podkeeper::address_returned_past_its_guard
