#pragma once

#include "pkg/base/mutex.h"
#include "pkg/kube/reflector_doubt.h"

#include <string>
#include <vector>

namespace podkeeper::kube {

/// Passes the proof that upstream was restored to an older state from the reflector that found it
/// to all others of the same upstream. They need it: once the new history has passed the revision
/// that a watch resumes from, that watch hears nothing of what it missed, and only LIST tells.
/// Thread-safe; nothing waits.
class RestoreNotice {
 public:
  void add(const ReflectorDoubt& reflector);
  void remove(const ReflectorDoubt& reflector);
  /// All but `found_by` list again. O(reflectors).
  void tell(const ReflectorDoubt& found_by, const std::string& resource);

 private:
  base::Mutex mutex_;
  std::vector<ReflectorDoubt> reflectors_ PK_GUARDED_BY(mutex_);
};

}  // namespace podkeeper::kube
