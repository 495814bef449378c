// The first look at a doubly checked flag is outside the lock.
#include "tests/misuse/prelude.h"

namespace podkeeper::double_checked_field {

class Table {
 public:
  void fill();

 private:
  base::Mutex mutex_;
  bool filled_ PK_GUARDED_BY(mutex_) = false;
};

void Table::fill() {
#ifdef PK_MISUSE
  // misuse-error@+1 {{reading variable 'filled_' requires holding mutex 'mutex_'}}
  if (filled_) return;
  base::Lock lock(mutex_);
  filled_ = true;
#else
  base::Lock lock(mutex_);
  if (filled_) return;
  filled_ = true;
#endif
}

}  // namespace podkeeper::double_checked_field
