#pragma once

#include "pkg/base/mutex.h"
#include "pkg/policy/partitioned_store.h"
#include "pkg/state/partitioned_map.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What the two halves of Partitions share: partitioned_map.cc uses a layout, partition_changes.cc
// brings about the next.

namespace podkeeper::state {

struct Partitions::Partition {
  /// `name` is the partition's outside; see policy::partition_name().
  Partition(std::string policy_, std::string name, const cmap::MapOptions& options_)
      : policy(std::move(policy_)), options(options_), map(options_, std::move(name)) {}
  const std::string policy;
  cmap::MapOptions options;  ///< apply()'s alone
  cmap::Map<cmap::Record> map;
  base::Mutex mutex;
  std::optional<policy::MigrationFigures> last_migration PK_GUARDED_BY(mutex);
};

/// Where records are, immutable once published. Between two plans a layout is not settled: writers
/// place by `plan`, readers look everywhere.
struct Partitions::Layout {
  using Parts = std::vector<std::shared_ptr<Partition>>;
  policy::PartitionPlan plan;
  Parts parts;   ///< as `plan` numbers them, the default one last
  Parts others;  ///< of the plan before or the next: to look into, not to put into
  bool settled = true;

  [[nodiscard]] bool alone() const noexcept { return parts.size() == 1 && others.empty(); }
  [[nodiscard]] std::shared_ptr<Partition> of(std::string_view policy) const {
    for (const Parts* some : {&parts, &others}) {
      const auto found = std::ranges::find(*some, policy, [](const auto& p) { return p->policy; });
      if (found != some->end()) return *found;
    }
    return nullptr;
  }
  /// Calls `visit(partition)` for every partition, best rank first, until it returns true.
  template <class F>
  void any_of(F&& visit) const {
    for (const Parts* some : {&parts, &others}) {
      for (const auto& partition : *some) {
        if (visit(*partition)) return;
      }
    }
  }
};

/// A record and the partition that holds it; both null where there is none.
struct Partitions::Home {
  Partition* partition = nullptr;
  const cmap::Record* record = nullptr;
};

/// A for_each() under way: hears of the records that change their partition meanwhile.

}  // namespace podkeeper::state
