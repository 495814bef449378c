#pragma once

#include "pkg/base/clock.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/world/support/bugs.h"

namespace podkeeper::world {

struct SceneOptions {
  static constexpr std::uint64_t kLongIn = 500;

  std::uint64_t seed = 1;
  Bug planted = Bug::kNone;
  /// One seed in kLongIn, without a planted bug, has a scene of 3 to 36 virtual hours in which
  /// little happens, for what comes only after minutes or hours: production's time-outs and
  /// intervals, long absences, watches that end in peace.
  [[nodiscard]] bool is_long() const noexcept;
  bool tell = false;  ///< what the instances log goes to standard error
};

/// What a scene showed.
struct SceneReport {
  std::vector<std::string> violations;  ///< the first few; empty is what is wanted
  std::uint64_t trace_hash = 0;
  std::uint64_t steps = 0;
  bool is_long = false;
  base::Duration virtual_time{};
  base::Duration convergence{};  ///< from the end of the faults
  std::uint64_t revisions = 0, events = 0, lists = 0, watches = 0, states = 0;
  std::uint64_t faults = 0, leader_writes = 0, takeovers = 0;
};

/// One to three podkeeperds, whole, with leader election, before a model API server, with writers
/// and clients, in one simulated world, while a nemesis cuts, clogs, delays, stops, kills and
/// restarts, compacts, restores, and lets clocks run at other rates. The oracles look all the time;
/// after the faults stop everything has to converge within 60 virtual seconds. The same options
/// give the same run, step by step.
SceneReport run_scene(const SceneOptions& options);

/// How a scene is run again by hand.
std::string replay_line(const SceneOptions& options);

}  // namespace podkeeper::world
