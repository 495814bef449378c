#include "pkg/kube/quarantine.h"

#include "pkg/kube/object.h"
#include "pkg/telemetry/log.h"

#include <utility>

namespace podkeeper::kube {

void Quarantine::tell(const Quarantined& refused) const {
  telemetry::log_error("an object cannot be read and is left out",
                       {{"resource", resource_}, {"key", refused.key()}, {"err", refused.why}});
}

void Quarantine::replace(const std::vector<Quarantined>& refused) {
  std::set<std::string, std::less<>> keys;
  for (const Quarantined& each : refused) {
    if (keys.size() < kToldMax) tell(each);
    // Who has no name is told apart from the others like it by nothing but its number.
    keys.insert(each.name.empty() ? "nameless " + std::to_string(keys.size()) : each.key());
  }
  if (keys.size() > kToldMax) {
    telemetry::log_error("more objects cannot be read",
                         {{"resource", resource_}, {"objects", keys.size() - kToldMax}});
  }
  size_.Set(static_cast<double>(keys.size()));
  any_.store(!keys.empty());
  base::Lock lock(mutex_);
  keys_ = std::move(keys);
}

void Quarantine::add(const Quarantined& refused) {
  tell(refused);
  any_.store(true);
  base::Lock lock(mutex_);
  keys_.insert(refused.key());
  size_.Set(static_cast<double>(keys_.size()));
}

void Quarantine::remove(std::string_view key) {
  if (!any_.load()) return;
  base::Lock lock(mutex_);
  if (const auto found = keys_.find(key); found != keys_.end()) keys_.erase(found);
  size_.Set(static_cast<double>(keys_.size()));
  any_.store(!keys_.empty());
}

bool Quarantine::holds(std::string_view key) const {
  if (!any_.load()) return false;
  base::Lock lock(mutex_);
  return keys_.contains(key);
}

}  // namespace podkeeper::kube
