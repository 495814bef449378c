// A shared_ptr counts by atomic steps, but is itself no atomic.
#include "tests/misuse/prelude.h"

namespace podkeeper::shared_ptr_assigned {

class Published {
 public:
  void set(std::shared_ptr<const int> next);

 private:
  base::Mutex mutex_;
  std::shared_ptr<const int> now_ PK_GUARDED_BY(mutex_);
};

void Published::set(std::shared_ptr<const int> next) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{variable 'now_' requires holding mutex 'mutex_'}}
  now_ = std::move(next);
#else
  base::Lock lock(mutex_);
  now_.swap(next);
#endif
}

}  // namespace podkeeper::shared_ptr_assigned
