// Readers side by side must not write.
#include "tests/misuse/prelude.h"

namespace podkeeper::written_under_a_shared_lock {

class Names {
 public:
  void add(std::string name);

 private:
  base::SharedMutex mutex_;
  std::vector<std::string> names_ PK_GUARDED_BY(mutex_);
};

void Names::add(std::string name) {
#ifdef PK_MISUSE
  base::SharedLock lock(mutex_);
  // misuse-error@+1 {{requires holding shared_mutex 'mutex_' exclusively}}
  names_ = {std::move(name)};
#else
  base::Lock lock(mutex_);
  names_ = {std::move(name)};
#endif
}

}  // namespace podkeeper::written_under_a_shared_lock
