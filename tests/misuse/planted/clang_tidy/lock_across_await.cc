// says: misc-coroutine-hostile-raii
#include "pkg/base/mutex.h"
#include "pkg/base/task.h"

namespace podkeeper {

base::Task<void> wait();

base::Task<void> use(base::Mutex& mutex) {
#ifdef PK_MISUSE
  base::Lock lock(mutex);
#else
  {
    base::Lock lock(mutex);
  }
#endif
  co_await wait();
}

}  // namespace podkeeper
