#pragma once

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
  std::optional<std::int64_t> heartbeat = {};  ///< when it was written, in seconds since 1970
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

/// How far what is held is from what is wanted.
enum class Gap {
  kNone,
  kCounts,   ///< only in numbers that always move: entries
  kContent,  ///< in what it says
};
/// Of what the leader says of a policy: everything but the instances. Conditions of other types
/// than the wanted ones are not the leader's.
Gap summary_gap(const Status& held, const Status& wanted);
/// Of an instance's entry, whenever it was written; null: there is none.
Gap instance_gap(const InstanceStatus* held, const InstanceStatus& wanted);

/// Configurations for server-side apply of a policy's status, as JSON: what the leader says, what
/// an instance says of itself, and nothing, which gives up all that was applied.
std::string summary_configuration(const std::string& name, const Status& status);
std::string instance_configuration(const std::string& name, const InstanceStatus& instance);
std::string empty_configuration(const std::string& name);

/// A JSON merge patch that removes these instances' entries from a policy, given as JSON, if it
/// still is at that object's revision; the other entries stay as they are, whoever wrote them.
std::string pruning_patch(std::string_view json, const std::vector<std::string>& gone);

}  // namespace podkeeper::policy
