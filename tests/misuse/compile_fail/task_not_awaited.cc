// A coroutine that nobody awaits never runs.
#include "tests/misuse/prelude.h"

namespace podkeeper::task_not_awaited {

base::Task<int> work();

base::Task<void> use() {
#ifdef PK_MISUSE
  // misuse-error@+1 {{ignoring return value}}
  work();
  co_return;
#else
  auto task = work();
  (void)co_await std::move(task);
#endif
}

}  // namespace podkeeper::task_not_awaited
