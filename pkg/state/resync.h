#pragma once

#include "pkg/kube/object.h"
#include "pkg/kube/reflector.h"
#include "pkg/state/ordered_index.h"
#include "pkg/state/record.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace podkeeper::state {

/// One step from what a store holds to what a LIST says. `object` is null for a deletion that only
/// the LIST's silence tells of; `held` is what the store holds under the key, null for an addition.
struct ResyncChange {
  kube::EventType type = kube::EventType::kAdded;
  kube::Revision revision;
  RecordRef object;
  const Record* held = nullptr;
};

/// The difference between a store and a LIST.
struct Resync {
  /// In the order in which watchers are to hear of it: adds and changes by their own revision
  /// ascending, then the deletions at the LIST's revision. An object that came back under its name
  /// with another uid is a deletion just before its addition.
  std::vector<ResyncChange> changes;
  /// What the store holds afterwards, in key order. Records that did not change are the ones it
  /// held.
  std::vector<RecordRef> content;
  std::uint64_t stale =
      0;  ///< objects of the LIST that were older than the ones held, or doubled; left out
  /// kRestored: the LIST is the truth, whatever revisions say.
  kube::WatchProof proof = kube::WatchProof::kNone;
};

/// Pure: compares a LIST at `revision` with the records of `held`, which is in key order, lives as
/// long as the result and has seen `seen`. O(n), plus O(n log n) where the LIST is not in key
/// order.
///
/// Two things prove a restore: the LIST is older than what was seen; or it shows an object older
/// than the one held, which it is too new not to know (the new history passed what was seen before
/// anyone looked). Any other change at or below `seen` proves that a watch did not tell it:
/// upstream dropped it, or was restored, or another version of it writes the same revision in other
/// bytes.
Resync diff(IndexView held, std::vector<std::unique_ptr<kube::Object>> objects,
            kube::Revision revision, kube::Revision seen);

}  // namespace podkeeper::state
