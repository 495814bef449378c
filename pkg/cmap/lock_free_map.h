#pragma once

#include "pkg/cmap/counted_lock.h"
#include "pkg/cmap/counters.h"
#include "pkg/cmap/split_map.h"
#include "pkg/cmap/split_table.h"
#include "pkg/cmap/strategy.h"

#include <cstddef>
#include <cstdint>

namespace podkeeper::cmap {

/// Each segment's writers wait for each other, and for nobody else.
struct SegmentLocks {
  static constexpr Strategy kStrategy = Strategy::kLockFree;
  static constexpr SplitTable::Locks kLocks = SplitTable::Locks::kSegment;
  static constexpr unsigned depth() noexcept { return 0; }
  /// 32 KiB: up to about a million keys a find goes from the root straight to the segment.
  static constexpr unsigned root_bits() noexcept { return 12; }
  static constexpr std::size_t shards() noexcept { return 1; }

  /// Under an Epoch::Guard.
  template <class Body>
  auto with(const SplitTable& table, std::uint64_t hash, Counters& counters, Body&& body) const {
    for (;;) {
      Segment& segment = table.segment_for(hash);
      CountedLock lock(segment.mutex, counters);
      if (!segment.replaced) return body(segment);  // else by one that serves the hash now
    }
  }
};

/// Strategy LockFree. What the name covers, and what not:
///  * find, find_many: wait-free. A bounded number of loads, no write that another thread reads,
///    whatever writers do.
///  * put, compare_and_put of a key that is there: lock-free. One compare-and-swap of the key's
///    slot; it is tried again only when another thread's change of that key succeeded. It falls
///    back to the segment's lock while that segment is being replaced.
///  * put of a new key, erase: blocking, by the lock of one segment of at most 358 entries, so that
///    a thread that is stopped in there holds up the writers of about one key in (size / 250).
///    Nothing is allocated or freed under the lock; but the replacing of a full segment, at most
///    358 records moved, is done under it. A merge takes the neighbour's lock, too, if it is free.
///  * for_each: blocking, by one segment's lock after the other. size: O(size / 250), no lock.
///
/// Sources: extendible hashing, Fagin et al., ACM TODS 4(3), 1979, see SplitTable; reclamation by
/// epochs, Fraser, "Practical lock-freedom", 2004, see base::Epoch; freezing slots by a tag bit
/// before they are copied, Cliff Click, "A lock-free hash table", 2007; tags and overflow bits of a
/// bucket, see Bucket.
using LockFreeMap = SplitMap<SegmentLocks>;
static_assert(ConcurrentMap<LockFreeMap>);

}  // namespace podkeeper::cmap
