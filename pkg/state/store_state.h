#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/cmap/map.h"
#include "pkg/runtime/wakeup.h"
#include "pkg/state/event_log.h"
#include "pkg/state/ordered_index.h"
#include "pkg/state/record.h"
#include "pkg/state/resync.h"
#include "pkg/state/store.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::state {

/// Revisions, both ends excluded, of which the store knows no exact state: a resync tells what
/// changed between two LISTs, not when.
struct Gap {
  kube::Revision after;
  kube::Revision before;
};
using Gaps = std::shared_ptr<const std::vector<Gap>>;

/// One published version of a store: what a reader needs for a consistent list. All of it is
/// immutable, but for `replaced`, which only the writer touches, after it published the next
/// version.
struct Root {
  kube::Revision revision;
  std::uint64_t log_next = 1;  ///< the log's first event that is not in this version
  base::MonotonicTime evidence{};
  bool synced = false;
  Gaps gaps;            ///< null: none
  kube::Revision lost;  ///< the newest seen of histories that restores of upstream took back
  const Directory* by_key = nullptr;
  const Directory* by_node = nullptr;

  /// What this version uses and the next does not: goes with this version, when its last reader has
  /// left.
  struct Replaced {
    IndexGarbage index;
    std::vector<RecordRef> records;
  };
  Replaced replaced;

  [[nodiscard]] IndexView keys() const noexcept { return {by_key, IndexOrder::kKey}; }
  [[nodiscard]] IndexView nodes() const noexcept { return {by_node, IndexOrder::kNode}; }
};

/// How a change becomes visible, in this order: event log, map, root, wakeups. So whoever is woken
/// finds the change everywhere, and a list's position never lies behind the log. The indexes own
/// one count of each current record, the map another; both give it back through Epoch, the indexes
/// only after the root that leads to it was replaced.
struct Store::State {
  State(base::Clock& clock_, StoreOptions options_)
      : clock(clock_),
        options(std::move(options_)),
        plural_group(options.resource.plural_group()),
        namespaced(options.resource.namespaced),
        map(plural_group, plural_group, clock, options.map),
        log(options.log) {}

  base::Clock& clock;
  const StoreOptions options;
  const std::string plural_group;
  std::atomic<bool> namespaced;
  PartitionedMap<Record> map;
  EventLog log;
  runtime::WakeupList wakeups;
  std::atomic<const Root*> root{nullptr};

  /// Held by whoever writes: the one writer, and a witness who lifts the revision. Readers never
  /// take it.
  base::Mutex writing;
  // The writer's own; the rest of the store sees them through `root`.
  OrderedIndex by_key PK_GUARDED_BY(writing){IndexOrder::kKey};
  OrderedIndex by_node PK_GUARDED_BY(writing){IndexOrder::kNode};
  Root::Replaced replaced PK_GUARDED_BY(writing);  ///< since the last publish()
  kube::Revision revision PK_GUARDED_BY(writing);
  base::MonotonicTime evidence PK_GUARDED_BY(writing){};
  bool synced PK_GUARDED_BY(writing) = false;
  /// The last time of which confirm() told that the state was upstream's newest: it holds for every
  /// root from then on.
  std::atomic<base::MonotonicTime> confirmed{base::MonotonicTime{}};

  std::atomic<std::size_t> record_bytes{0};
  std::atomic<std::uint64_t> stale{0}, unknown_deletions{0}, disorders{0}, untold{0}, restores{0};

  /// The caller holds a guard for as long as it uses the root.
  [[nodiscard]] const Root& current(const base::Epoch::Guard& /*guard*/) const noexcept {
    return *root.load(std::memory_order_acquire);
  }

  [[nodiscard]] Freshness freshness(const Root& of) const;

  kube::WatchProof replace(std::vector<std::unique_ptr<kube::Object>> objects, kube::Revision at)
      PK_REQUIRES(writing);
  /// False when the event was ignored.
  bool apply(kube::EventType type, std::unique_ptr<kube::Object> object) PK_REQUIRES(writing);

  /// Makes the record current in map and indexes, in the place of `held` (null: none).
  void put(RecordRef record, const Record* held) PK_REQUIRES(writing);
  void erase(const Record& held) PK_REQUIRES(writing);
  /// Applies one event to log, map and indexes; false when it was ignored, and counted.
  bool change(kube::EventType type, RecordRef record, base::MonotonicTime now) PK_REQUIRES(writing);
  /// Map and indexes after a resync: the map change by change, the indexes built anew.
  void take(Resync& resync) PK_REQUIRES(writing);
  /// Appends to the log; revisions that would go back are lifted to the log's last, and counted.
  void log_event(kube::EventType type, kube::Revision at, RecordRef object, RecordRef previous,
                 base::MonotonicTime arrived) PK_REQUIRES(writing);
  /// Takes the revision as reached now, without a change, and makes that visible.
  void advance(kube::Revision to) PK_REQUIRES(writing);
  /// Makes everything since the last call visible as one version.
  void publish() PK_REQUIRES(writing);

  /// Remembers that a resync went from `revision` to `next`, and forgets the gaps that the log does
  /// not reach back to any more.
  void add_gap(kube::Revision next) PK_REQUIRES(writing);

  Gaps gaps PK_GUARDED_BY(writing);
  kube::Revision lost PK_GUARDED_BY(writing);
  kube::Revision logged
      PK_GUARDED_BY(writing){};  ///< revision of the log's last event, or its floor

  /// A deletion that upstream did not tell of: the record's content with the deletion's revision in
  /// its metadata.
  [[nodiscard]] RecordRef deleted(const Record& record, kube::Revision at) const;
};

}  // namespace podkeeper::state
