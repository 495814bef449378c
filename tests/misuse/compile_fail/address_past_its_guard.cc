// What a find gives is freed once its guard is left.
#include "tests/misuse/prelude.h"

namespace podkeeper::address_past_its_guard {

std::uint64_t use(const cmap::Map<state::Record>& pods, const cmap::Key& key) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{will be destroyed at the end of the full-expression}}
  const state::Record* pod = pods.find(base::Epoch::Guard(), key);
  return pod->hash();
#else
  const base::Epoch::Guard guard;
  const state::Record* pod = pods.find(guard, key);
  return pod->hash();
#endif
}

}  // namespace podkeeper::address_past_its_guard
