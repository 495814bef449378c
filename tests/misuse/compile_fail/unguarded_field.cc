// A field is touched under the lock that its declaration names.
#include "tests/misuse/prelude.h"

namespace podkeeper::unguarded_field {

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
  // misuse-error@+1 {{writing variable 'sum_' requires holding mutex 'mutex_' exclusively}}
  ++sum_;
#else
  base::Lock lock(mutex_);
  ++sum_;
#endif
}

}  // namespace podkeeper::unguarded_field
