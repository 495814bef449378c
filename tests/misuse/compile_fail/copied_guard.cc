// A copied guard would leave twice, and free what another still reads.
#include "tests/misuse/prelude.h"

namespace podkeeper::copied_guard {

void use(const base::Epoch::Guard& guard) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{call to deleted constructor}}
  const base::Epoch::Guard mine = guard;
#else
  const base::Epoch::Guard mine;
  (void)guard;
#endif
}

}  // namespace podkeeper::copied_guard
