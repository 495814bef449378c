// Tasks counted by a copy would be missing in the other.
#include "tests/misuse/prelude.h"

namespace podkeeper::copied_task_registry {

void use(const runtime::TaskRegistry& tasks) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{call to deleted constructor}}
  const runtime::TaskRegistry mine = tasks;
  (void)mine.count();
#else
  (void)tasks.count();
#endif
}

}  // namespace podkeeper::copied_task_registry
