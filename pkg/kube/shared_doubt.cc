#include "pkg/kube/shared_doubt.h"

namespace podkeeper::kube {

void SharedDoubt::add(const ReflectorDoubt& reflector) {
  const base::Lock lock(mutex_);
  reflectors_.push_back(reflector);
}

void SharedDoubt::remove(const ReflectorDoubt& reflector) {
  const base::Lock lock(mutex_);
  std::erase(reflectors_, reflector);
}

void SharedDoubt::raise(const ReflectorDoubt& from, const std::string& reason) {
  std::vector<ReflectorDoubt> others;
  {
    const base::Lock lock(mutex_);
    others = reflectors_;
  }
  std::erase(others, from);
  for (ReflectorDoubt& other : others) other.raise(reason);
}

}  // namespace podkeeper::kube
