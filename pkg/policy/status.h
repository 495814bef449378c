#pragma once

#include "pkg/kube/resource.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::policy {

/// metav1.Condition. Times are seconds since 1970.
struct Condition {
  std::string type;
  bool holds = false;       ///< status "True" or "False"
  std::string reason = {};  ///< CamelCase
  std::string message = {};
  std::int64_t observed_generation = 0;
  std::int64_t last_transition = 0;
  friend bool operator==(const Condition&, const Condition&) = default;
};

/// What one podkeeper process runs; what is not known is left out.
struct InstanceStatus {
  std::string instance;
  std::string strategy = {};
  std::optional<std::int64_t> shards = {}, entries = {};
  std::optional<std::int64_t> last_migration = {};  ///< seconds since 1970
  std::optional<std::int64_t> migration_milliseconds = {};
  std::optional<std::int64_t> reads_per_second_before = {}, reads_per_second_after = {};
  std::optional<std::int64_t> p99_before_nanoseconds = {}, p99_after_nanoseconds = {};
  friend bool operator==(const InstanceStatus&, const InstanceStatus&) = default;
};

/// status of a ConcurrentMapPolicy.
struct Status {
  static constexpr std::size_t kInstancesMax = 64;

  std::int64_t observed_generation = 0;
  std::string active_strategy = {};  ///< empty: it governs nothing
  std::optional<std::int64_t> entries = {};
  std::vector<Condition> conditions = {};
  std::vector<InstanceStatus> instances = {};
  friend bool operator==(const Status&, const Status&) = default;

  [[nodiscard]] const Condition* condition(std::string_view type) const noexcept;
};

/// Reads the status of a policy's JSON, whoever wrote it: what is not as we write it counts as
/// absent, so that the next write puts it right. O(bytes).
Status read_status(std::string_view json);

/// The conditions `now`, each with the time of the last change of its status: that of `before`, or
/// else `time`.
std::vector<Condition> carry_times(const std::vector<Condition>& before, std::vector<Condition> now,
                                   std::int64_t time);

/// The instances of `before` with `ours` in the place of its own entry; the first others go where
/// there would be more than kInstancesMax.
std::vector<InstanceStatus> with_instance(std::vector<InstanceStatus> before, InstanceStatus ours);

/// Whether two statuses say the same but for numbers that always move: entries.
bool same_but_counts(const Status& a, const Status& b);

/// A JSON merge patch that makes a policy's status this one, if the policy still is at `revision`.
std::string status_patch(const Status& status, kube::Revision revision);

}  // namespace podkeeper::policy
