#pragma once

#include "pkg/policy/board.h"
#include "pkg/policy/partitioned_store.h"
#include "pkg/policy/policy_set.h"

#include <string>
#include <vector>

namespace podkeeper::policy {

/// One store beside the plan that it has to run.
struct StoreView {
  std::string name, resource;
  bool current = false;    ///< it runs the present plan
  std::string error = {};  ///< why not, where the last attempt failed
  std::vector<PartitionReport> running = {};

  /// What is derived from a mirrored resource has a name of its own, and is not counted twice.
  [[nodiscard]] bool is_mirror() const noexcept { return name == resource; }
};

/// What is to be said about every policy: its place in each store's plan, and its status with the
/// conditions Accepted, Applied and Ready, but for their times and for the entries of other
/// instances. Those in force come first, by rank; then the others by name. Pure.
///
/// Reasons. Accepted: Valid, Invalid, NotSupported. Applied: Applied, Pending, ApplyFailed,
/// Conflict, TooManyPolicies, NothingToGovern, PendingRestart, or that of Accepted. Ready: that of
/// the first that does not hold, or Applied.
std::vector<PolicyView> describe(const PolicySet& set, const std::vector<StoreView>& stores,
                                 const std::string& instance);

}  // namespace podkeeper::policy
