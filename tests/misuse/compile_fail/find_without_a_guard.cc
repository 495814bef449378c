// There is no find without a guard.
#include "tests/misuse/prelude.h"

namespace podkeeper::find_without_a_guard {

bool use(const cmap::Map<state::Record>& pods, const cmap::Key& key) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{too few arguments}}
  return pods.find(key) != nullptr;
#else
  return pods.find(base::Epoch::Guard(), key) != nullptr;
#endif
}

}  // namespace podkeeper::find_without_a_guard
