#pragma once

#include "pkg/base/mutex.h"
#include "pkg/kube/reflector_doubt.h"

#include <string>
#include <vector>

namespace podkeeper::kube {

/// Passes what one reflector learned of upstream, that watches cannot be relied on, to all others
/// of the same upstream: it was restored to an older state, or did not tell a change. Once a new
/// history has passed the revision that a watch resumes from, that watch hears nothing of what it
/// missed, and only LIST tells. Thread-safe; nothing waits.
class SharedDoubt {
 public:
  void add(const ReflectorDoubt& reflector);
  void remove(const ReflectorDoubt& reflector);
  /// All but `from` list again. O(reflectors).
  void raise(const ReflectorDoubt& from, const std::string& reason);

 private:
  base::Mutex mutex_;
  std::vector<ReflectorDoubt> reflectors_ PK_GUARDED_BY(mutex_);
};

}  // namespace podkeeper::kube
