#include "pkg/kube/restore_notice.h"

namespace podkeeper::kube {

void RestoreNotice::add(const ReflectorDoubt& reflector) {
  const base::Lock lock(mutex_);
  reflectors_.push_back(reflector);
}

void RestoreNotice::remove(const ReflectorDoubt& reflector) {
  const base::Lock lock(mutex_);
  std::erase(reflectors_, reflector);
}

void RestoreNotice::tell(const ReflectorDoubt& found_by, const std::string& resource) {
  std::vector<ReflectorDoubt> told;
  {
    const base::Lock lock(mutex_);
    told = reflectors_;
  }
  std::erase(told, found_by);
  for (ReflectorDoubt& one : told) {
    one.raise("upstream was restored, as the list of " + resource + " shows");
  }
}

}  // namespace podkeeper::kube
