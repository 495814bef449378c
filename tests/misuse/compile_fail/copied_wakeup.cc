// Two tasks would wait for one notify, and one of them for ever.
#include "tests/misuse/prelude.h"

namespace podkeeper::copied_wakeup {

void use(const runtime::Wakeup& wakeup) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{call to deleted constructor}}
  const runtime::Wakeup mine = wakeup;
#else
  const runtime::Wakeup& mine = wakeup;
#endif
  (void)mine;
}

}  // namespace podkeeper::copied_wakeup
