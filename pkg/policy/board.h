#pragma once

#include "pkg/base/snapshot.h"
#include "pkg/policy/ranking.h"
#include "pkg/policy/status.h"

#include <optional>
#include <string>
#include <vector>

namespace podkeeper::policy {

/// What one policy has of one store.
struct PartitionView {
  std::string store;      ///< its name
  std::string partition;  ///< "pods~batch"
  Standing standing = Standing::kAbsent;
  std::string winner;                          ///< with kShadowed: the policy that governs
  std::optional<cmap::MapStats> running = {};  ///< with kGoverns, once it was applied
  bool current = false;                        ///< the store runs the present plan
};

/// One policy as /state/v1/policies shows it.
struct PolicyView {
  Identity identity;
  bool accepted = false;
  Spec spec;                        ///< counts while accepted
  std::optional<std::size_t> rank;  ///< 1 is the best; none while not accepted
  Status status;                    ///< as it is, or is about to be, written
  std::vector<PartitionView> partitions = {};
};

/// Every policy, those with a rank first; replaced as a whole.
struct Board {
  bool synced = false;  ///< the policies have been listed
  std::vector<PolicyView> policies = {};
};
using PublishedBoard = base::Snapshot<Board>;

}  // namespace podkeeper::policy
