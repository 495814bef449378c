// A const map is for readers.
#include "tests/misuse/prelude.h"

namespace podkeeper::written_through_a_const_map {

void use(const cmap::Map<state::Record>& pods, const cmap::Key& key) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{not marked const}}
  pods.erase(key);
#else
  (void)pods.find(base::Epoch::Guard(), key);
#endif
}

}  // namespace podkeeper::written_through_a_const_map
