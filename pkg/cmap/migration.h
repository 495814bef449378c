#pragma once

#include "pkg/base/epoch.h"
#include "pkg/cmap/strategy.h"
#include "pkg/cmap/switchover.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace podkeeper::cmap {

class SwitchedMap;

/// The change of a map to another strategy, shard count or hash while everybody goes on using it.
/// One task or thread drives it by step() until kDone; it must not outlive its map. The driver
/// decides on pace and time-out: here is no clock and no wait.
///
/// What holds meanwhile (how: see Switchover): readers never wait, and every rule of ConcurrentMap
/// holds for every operation. Records are shared, not copied; memory grows by the new table, and
/// falls by the old one at the end.
///
/// A step may throw (no memory). Whoever lets a Migration go before it has flipped, by a throw or
/// on purpose, leaves the old strategy serving as if nothing had been; after it the new one serves,
/// and nothing can fail any more. Nothing of a migration outlives the process: one that is killed
/// at any moment comes up again with maps as its last valid policies say, filled from the cluster.
class Migration {
 public:
  enum class Step {
    kMore,     ///< call again at once, or after a pause
    kWaiting,  ///< somebody still uses what must not be in use any more: call again a little later
    kDone,     ///< over; calling again does nothing
  };
  struct Progress {
    MigrationPhase phase = MigrationPhase::kNone;  ///< kNone: over
    std::size_t copied = 0;                        ///< records seen by the copy so far
    std::size_t entries = 0;                       ///< of the map when the copy began
    bool flipped = false;                          ///< the new strategy serves
  };

  Migration(Migration&& other) noexcept = default;
  Migration& operator=(Migration&&) = delete;
  /// Aborts unless it has flipped. The table that does not serve is then freed in one piece, by
  /// whoever reclaims next: abort() and further steps do that in bounded pieces.
  ~Migration();

  /// Does one piece of work: of copying and of taking apart about `budget` records, at most that
  /// and one stretch (a few hundred records); when the copy begins it makes room for all of them,
  /// where the new table grows as a whole. Must not be called under an Epoch::Guard, which it
  /// would wait for.
  Step step(std::size_t budget);
  /// Gives the new strategy up, unless it has flipped. Steps until kDone then free its table. Idle
  /// memory aside, the old strategy serves alone from here on.
  void abort() noexcept;
  [[nodiscard]] Progress progress() const noexcept { return progress_; }

 private:
  friend class SwitchedMap;
  Migration(SwitchedMap& map, std::unique_ptr<detail::Switchover> switchover, Strategy to) noexcept;

  Step announced();
  Step copy(std::size_t budget);
  Step dismantle(std::size_t budget);
  void enter(MigrationPhase phase) noexcept;
  void lose_the_idle_table() noexcept;
  void end() noexcept;
  void tell_tracers() const noexcept;

  SwitchedMap* map_;
  std::unique_ptr<detail::Switchover> switchover_;  ///< null: over, or moved from
  Strategy from_;
  Strategy to_;
  base::Epoch::Mark mark_ = 0;
  std::uint64_t position_ = 0;
  bool idle_is_free_ = false;
  Progress progress_;
};

}  // namespace podkeeper::cmap
