#pragma once

#include "pkg/base/mutex.h"
#include "pkg/telemetry/metrics.h"

#include <atomic>
#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::kube {

struct Quarantined;

/// The objects that upstream has and that cannot be read, so that they are not in the mirror: one
/// of them must not keep the others out. Told in the log and by a gauge, and known to those who
/// compare the mirror with upstream. Any thread; changed by the reflector alone.
class Quarantine {
 public:
  Quarantine(std::string resource, telemetry::Gauge& size)
      : resource_(std::move(resource)), size_(size) {}

  /// A whole state has come: these and no others.
  void replace(const std::vector<Quarantined>& refused);
  void add(const Quarantined& refused);
  /// It could be read, or it is gone. O(1) while there are none.
  void remove(std::string_view key);
  [[nodiscard]] bool holds(std::string_view key) const;

 private:
  static constexpr std::size_t kToldMax = 10;  ///< of one LIST

  void tell(const Quarantined& refused) const;

  const std::string resource_;
  telemetry::Gauge& size_;
  std::atomic<bool> any_{false};
  mutable base::Mutex mutex_;
  std::set<std::string, std::less<>> keys_ PK_GUARDED_BY(mutex_);
};

}  // namespace podkeeper::kube
