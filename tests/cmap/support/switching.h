#pragma once

#include "pkg/cmap/map.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/cmap/support/forwarding_map.h"

namespace podkeeper::cmap::testing {

/// Faults that a switchover could have, to prove that the tests see them.
enum class SwitchBug {
  kNone,
  kMissedDoubleWrite,       ///< a put does not reach the new table
  kSecondaryNotErased,      ///< an erase does not reach the new table
  kLostCompareAndPut,       ///< a conditional put does not reach the new table
  kLostCompareAndErase,     ///< a conditional erase does not reach the new table
  kMirrorsARefusedPut,      ///< a conditional put that the old table refused reaches the new one
  kAnswersFromTheNewTable,  ///< a put tells whether its key is new to the table half filled
  kLostUpdateInCopy,        ///< the copy puts what it read before a writer changed it
  kResurrectedDelete,       ///< the copy puts what it read before a writer erased it
  kCopyWithoutReread,       ///< the copy puts what the walk showed, under the stripe
  kStripeMismatch,          ///< two threads take different stripes for one key
  kNoGraceBeforeCopy,       ///< copies while writers are out that do not know of it
  kFlipBeforeCopyEnds,      ///< readers look into the new table when it is half filled
  kSkippedStretch,          ///< the copy leaves a stretch out
  kFlipAmongWriters,        ///< changes tables while a writer has changed one of them
  kEarlyLoneWriters,        ///< writers stop writing twice before readers change tables
  kEarlyFree,               ///< empties the old table while walks are in it
  kDoubleRetire,            ///< gives a record's count back twice
  kLeak,                    ///< does not give the old table's counts back
  kWalkShowsBothTables,     ///< for_each walks the table that is being filled, too
};
inline constexpr SwitchBug kSwitchBugs[] = {
    SwitchBug::kMissedDoubleWrite,   SwitchBug::kSecondaryNotErased,
    SwitchBug::kLostCompareAndPut,   SwitchBug::kLostCompareAndErase,
    SwitchBug::kMirrorsARefusedPut,  SwitchBug::kAnswersFromTheNewTable,
    SwitchBug::kLostUpdateInCopy,    SwitchBug::kResurrectedDelete,
    SwitchBug::kCopyWithoutReread,   SwitchBug::kStripeMismatch,
    SwitchBug::kNoGraceBeforeCopy,   SwitchBug::kFlipBeforeCopyEnds,
    SwitchBug::kSkippedStretch,      SwitchBug::kFlipAmongWriters,
    SwitchBug::kEarlyLoneWriters,    SwitchBug::kEarlyFree,
    SwitchBug::kDoubleRetire,        SwitchBug::kLeak,
    SwitchBug::kWalkShowsBothTables,
};
const char* to_string(SwitchBug bug);

/// Makes switchovers with that fault; sound ones for kNone. Those with a fault, and kNone too, give
/// the processor away where threads can meet, so that they do.
SwitchedMap::MakeSwitchover make_switchover(SwitchBug bug);

/// Where a put stops, inside its table, until it is let through.
struct Gate {
  std::atomic<bool> arrived{false};
  std::atomic<bool> open{false};
};
/// Makes sound switchovers to tables that stop at the gate.
SwitchedMap::MakeSwitchover make_gated(Gate& gate);

/// A SwitchedMap as the recorder takes it.
class Switching final : public ForwardingMap<SwitchedMap> {
 public:
  explicit Switching(const MapOptions& options, SwitchBug bug = SwitchBug::kNone)
      : ForwardingMap(map_), map_(options), bug_(bug) {}

  void for_each(const base::Epoch::Guard& guard,
                const std::function<void(const Record&)>& visit) const override;

  [[nodiscard]] SwitchedMap& map() noexcept { return map_; }

 private:
  SwitchedMap map_;
  SwitchBug bug_;
};

/// Drives one migration to its end, giving the processor away while it waits. False when it was
/// refused.
bool run_to_end(SwitchedMap& map, const MapOptions& to, std::size_t budget,
                const SwitchedMap::MakeSwitchover& make = make_switchover(SwitchBug::kNone));

/// Migrates a map round and round through `route` on a thread of its own, until it is destroyed.
class Swapper {
 public:
  struct Options {
    std::vector<MapOptions> route;
    std::size_t budget = 256;  ///< records a step
    SwitchedMap::MakeSwitchover make = make_switchover(SwitchBug::kNone);
    /// Called after each swap; returns when the next may begin.
    std::function<void()> pause = [] {};
  };
  Swapper(SwitchedMap& map, Options options);

  [[nodiscard]] std::uint64_t swaps() const noexcept { return swaps_; }

 private:
  std::atomic<std::uint64_t> swaps_{0};
  std::jthread thread_;
};

/// From what to what a map may change: every pair of strategies, and another shard count and hash.
struct Change {
  MapOptions from;
  MapOptions to;
};
std::vector<Change> every_change();
std::string to_string(const Change& change);

}  // namespace podkeeper::cmap::testing
