// A second context would say that a task is there which is not.
#include "tests/misuse/prelude.h"

namespace podkeeper::context_copied {

void use(const base::TaskContext& task) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{call to implicitly-deleted copy constructor}}
  const base::TaskContext mine = task;
#else
  const base::Ref<const base::TaskContext> mine(&task);
  (void)mine->id;
#endif
}

}  // namespace podkeeper::context_copied
