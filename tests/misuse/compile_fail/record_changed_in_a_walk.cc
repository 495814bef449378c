// A walk shows what others read at the same time.
#include "tests/misuse/prelude.h"

namespace podkeeper::record_changed_in_a_walk {

void use(const cmap::Map<state::Record>& pods, const base::Epoch::Guard& guard) {
#ifdef PK_MISUSE
  pods.for_each(
      guard, [](state::Record& pod) { (void)pod; });  // misuse-error@*:* {{no matching function}}
#else
  pods.for_each(guard, [](const state::Record& pod) { (void)pod; });
#endif
}

}  // namespace podkeeper::record_changed_in_a_walk
