#include "tests/world/support/bugs.h"

namespace podkeeper::world {

const char* to_string(Bug bug) noexcept {
  switch (bug) {
    case Bug::kNone:
      return "none";
    case Bug::kLostEvent:
      return "lost-event";
    case Bug::kLostDelete:
      return "lost-delete";
    case Bug::kOneTooLate:
      return "one-too-late";
    case Bug::kGapAtRestart:
      return "gap-at-restart";
    case Bug::kCompactionIgnored:
      return "compaction-ignored";
    case Bug::kBookmarkAhead:
      return "bookmark-ahead";
    case Bug::kStaleList:
      return "stale-list";
    case Bug::kMixedPages:
      return "mixed-pages";
    case Bug::kResurrected:
      return "resurrected";
    case Bug::kOldLabels:
      return "old-labels";
    case Bug::kTwice:
      return "twice";
    case Bug::kNoTombstone:
      return "no-tombstone";
    case Bug::kOldTombstone:
      return "old-tombstone";
    case Bug::kOutOfOrder:
      return "out-of-order";
    case Bug::kLostAtSwap:
      return "lost-at-swap";
    case Bug::kResurrectedAtSwap:
      return "resurrected-at-swap";
    case Bug::kStateOfOldPod:
      return "state-of-old-pod";
    case Bug::kAgeOfNow:
      return "age-of-now";
    case Bug::kSuspendedClock:
      return "suspended-clock";
    case Bug::kUnboundedBuffer:
      return "unbounded-buffer";
    case Bug::kLeakedConnection:
      return "leaked-connection";
  }
  return "";
}

}  // namespace podkeeper::world
