// A list of tasks is to look at: no task writes into another's context.
#include "tests/misuse/prelude.h"

namespace podkeeper::context_of_another_changed {

void use(const runtime::TaskRegistry& tasks) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{not marked const}}
  for (const auto& task : tasks.list()) task->set_request({});
#else
  for (const auto& task : tasks.list()) (void)task->request();
#endif
}

}  // namespace podkeeper::context_of_another_changed
