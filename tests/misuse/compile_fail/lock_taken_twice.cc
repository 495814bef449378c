// A thread that takes its own lock again waits for itself.
#include "tests/misuse/prelude.h"

namespace podkeeper::lock_taken_twice {

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
  base::Lock lock(mutex_);
  // misuse-error@+1 {{acquiring mutex 'mutex_' that is already held}}
  base::Lock again(mutex_);
  ++sum_;
#else
  base::Lock lock(mutex_);
  ++sum_;
#endif
}

}  // namespace podkeeper::lock_taken_twice
