// says: misc-coroutine-hostile-raii
#include "pkg/base/epoch.h"
#include "pkg/base/task.h"

namespace podkeeper {

base::Task<void> wait();

base::Task<void> use() {
#ifdef PK_MISUSE
  const base::Epoch::Guard guard;
#else
  {
    const base::Epoch::Guard guard;
  }
#endif
  co_await wait();
}

}  // namespace podkeeper
