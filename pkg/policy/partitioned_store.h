#pragma once

#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/cmap/map.h"
#include "pkg/policy/plan.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace podkeeper::policy {

/// The last change of a partition's strategy, as measured.
struct MigrationFigures {
  std::int64_t ended = 0;  ///< seconds since 1970
  std::int64_t milliseconds = 0;
  std::optional<std::int64_t> reads_per_second_before = {}, reads_per_second_after = {};
  std::optional<std::int64_t> p99_before_nanoseconds = {}, p99_after_nanoseconds = {};
};

/// One partition of a store as it runs.
struct PartitionReport {
  std::string policy;  ///< empty: the default partition
  cmap::MapStats map = {};
  std::optional<MigrationFigures> last_migration = {};
};

/// What policies are applied to: the map of one mirrored resource, or one that is derived from it.
/// Any task may ask; apply() is called by one task at a time.
class PartitionedStore {
 public:
  virtual ~PartitionedStore() = default;
  /// What metrics and /state/v1/maps call it; "pods", or another name for what is derived.
  [[nodiscard]] virtual const std::string& name() const = 0;
  /// "plural.group" by which policies target it.
  [[nodiscard]] virtual const std::string& resource() const = 0;
  /// Brings the partitions to the plan while they are in use; returns when they are there. However
  /// it ends, nothing is lost, and a later call takes up what is left.
  virtual base::Task<base::Result<void>> apply(PartitionPlan plan) = 0;
  /// The plan's partitions, best rank first, the default one last.
  [[nodiscard]] virtual std::vector<PartitionReport> report() const = 0;
};

}  // namespace podkeeper::policy
