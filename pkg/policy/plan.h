#pragma once

#include "pkg/base/clock.h"
#include "pkg/cmap/audit.h"
#include "pkg/cmap/map.h"
#include "pkg/kube/selector.h"

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::policy {

/// One policy as a store of one resource sees it: which objects are its, and what map they live in.
struct PartitionRule {
  std::string policy;  ///< its name
  /// Names, or prefixes that end with '*'; empty: all, and what is cluster-scoped.
  std::vector<std::string> namespaces = {};
  kube::LabelSelector pods = {};  ///< empty: all
  cmap::MapOptions map = {};
  cmap::AuditOptions audit = {};  ///< its clock is the store's to give
  /// Whether a map in use changes its strategy, and how long that may take; else it keeps what it
  /// runs until the next start.
  bool online = true;
  base::Duration migration_timeout = std::chrono::seconds(60);

  [[nodiscard]] bool covers(std::string_view namespace_) const noexcept;
};

/// How one resource's objects are spread over partitions: each belongs to the first rule that
/// covers its namespace and selects its labels, and to the default partition where none does. A
/// value; pure.
struct PartitionPlan {
  std::vector<PartitionRule> rules = {};  ///< best rank first
  cmap::MapOptions defaults = {};

  /// Index of the object's rule; rules.size() for the default partition. O(rules).
  [[nodiscard]] std::size_t partition_of(std::string_view namespace_,
                                         const kube::Object::LabelSpan& labels) const noexcept;
};

/// "pods" for the default partition, "pods~batch" for that of the policy batch; the label
/// `partition` of metrics and /state.
std::string partition_name(std::string_view plural_group, std::string_view policy);

}  // namespace podkeeper::policy
