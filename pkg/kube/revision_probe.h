#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/kube/resource.h"

#include <optional>

namespace podkeeper::kube {

/// Asks upstream, beside the reflector's own stream, where one resource stands. Behind
/// kube-apiserver there is no progress notification of etcd to be had: a watch tells how far it is
/// only by its events and by a bookmark now and then, so a replica that has to know asks. Any task
/// may call; errors are upstream's.
class RevisionProbe {
 public:
  virtual ~RevisionProbe() = default;
  /// The newest revision, by a quorum read that is sent after the call: at least that of every
  /// write that was answered before.
  virtual base::Task<base::Result<Revision>> newest(base::MonotonicTime deadline) = 0;
  /// A revision until which nothing of the resource has changed since `held`; none where a change
  /// came, or nothing was told by the deadline. kube-apiserver takes about two seconds to say so.
  virtual base::Task<base::Result<std::optional<Revision>>> quiet_since(
      Revision held, base::MonotonicTime deadline) = 0;
};

}  // namespace podkeeper::kube
