// A function names the lock that it needs.
#include "tests/misuse/prelude.h"

namespace podkeeper::helper_called_without_its_lock {

class Queue {
 public:
  void push(int item);

 private:
  void grow() PK_REQUIRES(mutex_);
  base::Mutex mutex_;
  std::vector<int> items_ PK_GUARDED_BY(mutex_);
};

void Queue::push(int item) {
#ifdef PK_MISUSE
  // misuse-error@+1 {{calling function 'grow' requires holding mutex 'mutex_' exclusively}}
  grow();
  (void)item;
#else
  base::Lock lock(mutex_);
  grow();
  items_.push_back(item);
#endif
}

}  // namespace podkeeper::helper_called_without_its_lock
