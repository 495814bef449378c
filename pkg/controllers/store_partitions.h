#pragma once

#include "pkg/base/clock.h"
#include "pkg/policy/partitioned_store.h"
#include "pkg/state/partitioned_map.h"

#include <string>
#include <utility>
#include <vector>

namespace podkeeper::controllers {

/// A state's partitions as policies are applied to them. The clock and the partitions outlive it.
class StorePartitions final : public policy::PartitionedStore {
 public:
  StorePartitions(base::Clock& clock, state::Partitions& partitions)
      : clock_(clock), partitions_(partitions) {}

  [[nodiscard]] const std::string& name() const override { return partitions_.name(); }
  [[nodiscard]] const std::string& resource() const override { return partitions_.resource(); }
  base::Task<base::Result<void>> apply(policy::PartitionPlan plan) override {
    return partitions_.apply(clock_, std::move(plan));
  }
  [[nodiscard]] std::vector<policy::PartitionReport> report() const override {
    std::vector<policy::PartitionReport> reports;
    for (state::PartitionStats& stats : partitions_.stats()) {
      reports.push_back({.policy = std::move(stats.policy), .map = stats.map});
    }
    return reports;
  }

 private:
  base::Clock& clock_;
  state::Partitions& partitions_;
};

}  // namespace podkeeper::controllers
