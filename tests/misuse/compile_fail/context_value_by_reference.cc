// The request of a running task may be replaced at any time: it is given as a copy.
#include "tests/misuse/prelude.h"

namespace podkeeper::context_value_by_reference {

void use(const base::TaskContext& task) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{cannot bind to a temporary}}
  base::RequestFeatures& mine = task.request();
  mine.user = "me";
#else
  base::RequestFeatures mine = task.request();
  mine.user = "me";
#endif
}

}  // namespace podkeeper::context_value_by_reference
