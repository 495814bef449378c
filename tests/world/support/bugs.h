#pragma once

#include <cstdint>

namespace podkeeper::world {

/// Known bugs of list and watch, of caches over it and of replicas, each behind a switch. They are
/// planted at the seams of podkeeperd, which is not touched: what a reflector with the bug would
/// have made of upstream's answers (upstream), what a server with the bug would have told its
/// clients (serving), what a process with the bug would have done of itself (process). The oracles
/// know nothing of them.
enum class Bug : std::uint8_t {
  kNone,
  // upstream
  kLostEvent,          ///< an event is taken for an old one (the class of etcd #15271)
  kLostDelete,         ///< a deletion is not heard of (kubernetes #123072)
  kOneTooLate,         ///< an empty cache serves a watch from the revision before (#49992)
  kGapAtRestart,       ///< a watch begun while a cache starts anew misses the gap (#116122)
  kCompactionIgnored,  ///< 410 is not told: the watch goes on where history begins
  kBookmarkAhead,      ///< a bookmark overtakes the events before it
  kStaleList,          ///< after a start an old LIST is taken for the newest: time travel
  kMixedPages,         ///< pages of one LIST are of different revisions
  kResurrected,        ///< a LIST after a gap brings back what was deleted
  kOldLabels,          ///< a label move is heard of, the object is kept as it was
  // serving
  kTwice,              ///< what was sent at first is sent again, back in time (#73845)
  kNoTombstone,        ///< DELETED is kept from watchers
  kOldTombstone,       ///< DELETED has the revision of the last change
  kOutOfOrder,         ///< two events change places
  kLostAtSwap,         ///< a change of strategy loses a key
  kResurrectedAtSwap,  ///< a change of strategy brings a key back
  kStateOfOldPod,      ///< a pod's state is derived from the pod as it was
  kAgeOfNow,           ///< a linearizable read is answered at once
  // process
  kSuspendedClock,    ///< a leader's term stands still with it: a deposed leader writes
  kUnboundedBuffer,   ///< a slow client's answers are kept in memory without limit
  kLeakedConnection,  ///< what is closed stays open
};
inline constexpr Bug kLastBug = Bug::kLeakedConnection;

const char* to_string(Bug bug) noexcept;

/// The switches of one scene.
class Bugs {
 public:
  explicit Bugs(Bug planted = Bug::kNone) : planted_(planted) {}
  [[nodiscard]] bool has(Bug bug) const noexcept { return planted_ == bug; }
  [[nodiscard]] Bug planted() const noexcept { return planted_; }

 private:
  Bug planted_;
};

}  // namespace podkeeper::world
