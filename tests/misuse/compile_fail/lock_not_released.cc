// A lock that a path forgets to release stops everybody.
#include "tests/misuse/prelude.h"

namespace podkeeper::lock_not_released {

class Tally {
 public:
  void add();
  [[nodiscard]] int get() const;

 private:
  mutable base::Mutex mutex_;
  int sum_ PK_GUARDED_BY(mutex_) = 0;
};

void Tally::add() {
#ifdef PK_MISUSE
  mutex_.lock();
  ++sum_;
  if (sum_ > 9) return;
  mutex_.unlock();  // misuse-error@*:* {{mutex 'mutex_' is not held on every path through here}}
#else
  base::Lock lock(mutex_);
  ++sum_;
#endif
}

}  // namespace podkeeper::lock_not_released
