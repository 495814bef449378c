// Reading without the lock is a race as well.
#include "tests/misuse/prelude.h"

namespace podkeeper::unguarded_read {

class Tally {
 public:
  void add();
  [[nodiscard]] int get() const;

 private:
  mutable base::Mutex mutex_;
  int sum_ PK_GUARDED_BY(mutex_) = 0;
};

int Tally::get() const {
#ifdef PK_MISUSE
  // misuse-error@+1 {{reading variable 'sum_' requires holding mutex 'mutex_'}}
  return sum_;
#else
  base::Lock lock(mutex_);
  return sum_;
#endif
}

}  // namespace podkeeper::unguarded_read
