#pragma once

#include "pkg/access/authorized.h"
#include "pkg/base/world.h"
#include "pkg/cmap/map.h"
#include "pkg/kube/reflector.h"
#include "pkg/kube/selector.h"
#include "pkg/runtime/wakeup.h"
#include "pkg/state/event_log.h"
#include "pkg/state/record.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace podkeeper::state {

/// How current an answer is: its revision, and the time since the last evidence (event, bookmark,
/// LIST, probe) that this revision was upstream's latest.
struct Freshness {
  kube::Revision revision;
  base::Duration age{};
  bool synced = false;  ///< false until the first complete LIST
};

struct ListQuery {
  std::string namespace_ = {};  ///< empty: all
  kube::LabelSelector labels = {};
  kube::FieldSelector fields = {};
  std::int64_t limit = 0;  ///< 0: all
  std::string start_after =
      {};  ///< key_text of the last item of the page before; empty: from the start
  /// The list exactly as it was at this revision, built by undoing later events; kExpired when the
  /// log is too short, kTimeout when the revision is not reached yet.
  std::optional<kube::Revision> at = {};
};

/// A consistent list: every record as of `freshness.revision`, in key order.
struct ListResult {
  std::vector<RecordRef> records;
  Freshness freshness;
  bool more = false;  ///< another match follows: there is a next page, after records.back()
  /// How many items follow; empty with a selector, as upstream.
  std::optional<std::int64_t> remaining;
};

struct StoreOptions {
  kube::Resource resource;
  cmap::MapOptions map;
  EventLog::Options log;
};

class Store;

/// The read side of a store: a handle to copy and keep as long as the store lives. Any thread;
/// readers never wait for the writer. Each read proves by its first argument that somebody allowed
/// it; a proof for another resource or namespace than the one read is a bug (PK_CHECK).
class Reader {
 public:
  explicit Reader(const Store& store) : store_(&store) {}
  [[nodiscard]] const kube::Resource& resource() const noexcept;
  [[nodiscard]] Freshness freshness() const;
  /// O(1). Null when there is no such object.
  [[nodiscard]] RecordRef get(access::AuthorizedRead allowed, const kube::ObjectKey& key) const;
  /// O(items walked): a namespace, a node name or a name in the selectors narrows the walk by
  /// index.
  [[nodiscard]] base::Result<ListResult> list(access::AuthorizedRead allowed,
                                              const ListQuery& query) const;
  /// A position from which changes after `revision` are read; kExpired when the log does not reach
  /// back, or `revision` lies between two LISTs of upstream: whoever knows what held then, from
  /// another replica, would not hear what of it ended before the second; or where `revision` was
  /// seen before a restore of upstream took it back, and was not reached again. Changes that share
  /// `revision` (one resync's deletions) come again, since the caller may have seen only some of
  /// them.
  [[nodiscard]] base::Result<std::uint64_t> watch_from(access::AuthorizedRead allowed,
                                                       kube::Revision revision) const;
  /// The list now, and the position right after it: no change lies between or is in both.
  struct ListAndPosition {
    ListResult list;
    std::uint64_t position;
  };
  [[nodiscard]] base::Result<ListAndPosition> list_and_position(access::AuthorizedRead allowed,
                                                                const ListQuery& query) const;
  /// Up to `max` changes from `position` on, in all namespaces: the caller filters by its own scope
  /// and selectors. Every other read finds each of them done already.
  [[nodiscard]] base::Result<std::vector<EventRef>> events(access::AuthorizedRead allowed,
                                                           std::uint64_t position,
                                                           std::size_t max) const;
  /// Notifies `wakeup` on every change and progress mark.
  [[nodiscard]] runtime::WakeupList::Subscription subscribe(runtime::Wakeup& wakeup) const;

 private:
  const Store* store_;
};

/// Figures of a store for metrics and /state.
struct StoreStats {
  std::size_t objects = 0;
  std::size_t bytes = 0;  ///< of the records
  std::size_t log_bytes = 0;
  kube::Revision log_floor;
  std::size_t log_events = 0;
  std::size_t index_bytes = 0;  ///< of the ordered indexes, without the records
  // What upstream should not have sent; each was answered so that no object's revision goes back.
  std::uint64_t stale_events = 0;       ///< older than what is held, or again what is held: ignored
  std::uint64_t unknown_deletions = 0;  ///< of objects not held: ignored
  std::uint64_t disorders = 0;  ///< newer for their object, but older than an event before: taken
  // What a LIST proved, which is the truth then; whoever watches starts over.
  std::uint64_t untold = 0;    ///< that watches passed over a change
  std::uint64_t restores = 0;  ///< that upstream was restored
};

/// Everything podkeeper believes about one resource: a concurrent map for point reads, a
/// copy-on-write ordered index that LIST walks (a namespace is a range of it), another one by node,
/// and the event log. One writer (a MirrorSink: a reflector's, or simkube's) applies changes in
/// revision order; any number of Readers read; a witness may lift the revision where nothing
/// changed.
///
/// How a list is consistent. The writer publishes one immutable root {revision, log position,
/// indexes}; a reader that loaded it under an epoch guard holds the whole state at that revision,
/// in O(1), without replay and without making the writer wait. This stands in the place of the
/// log-corrected snapshot (walk, then replay what happened meanwhile): there is nothing to replay
/// for the present. The log serves the past: a list `at` an older revision takes the present root
/// and undoes the events since, by their `previous`, at O(events since) beside the walk.
///
/// What a writer pays: one segment, one chunk and the directory of each index copied (see
/// OrderedIndex), about 6 KB copied an event at 150,000 pods. The first LIST builds segments
/// directly.
class Store final : public kube::MirrorSink {
 public:
  Store(base::Clock& clock, StoreOptions options);
  ~Store() override;

  // The one writer; one call at a time. Begins with replace(); until then nothing counts as synced.
  /// Diffed resync: what the LIST lacks is deleted at the LIST's revision, what differs is changed
  /// at its own, what is unchanged makes no event (see resync.h for the order). The first one makes
  /// no events: the log begins at its revision. So it does at a LIST that proves something of the
  /// watches before it (see resync.h): no event that could be told now would reach those who have
  /// passed its revision. Readers see all of it at once. O(n).
  kube::WatchProof replace(std::vector<std::unique_ptr<kube::Object>> objects,
                           kube::Revision revision) override;
  /// Idempotent. ADDED of what is held is MODIFIED and the reverse; an event that is not newer than
  /// what is held, a deletion of what is not held, or an addition below the store's revision is
  /// ignored and counted; another uid under a held name makes a DELETED first. One wakeup an event.
  /// O(log n): about 4 us at 10,000 objects and 8 us at 150,000, freeing what was replaced
  /// included.
  void apply(kube::EventType type, std::unique_ptr<kube::Object> object) override;
  /// Below the store's revision it is no evidence, and ignored.
  void progress(kube::Revision revision) override;

  /// For a resource whose scope became known after the store was made: before its first replace().
  void set_namespaced(bool namespaced) noexcept;

  // A witness beside the writer's stream: any thread, at any time.
  /// Upstream's newest revision was `newest` at `when`, or later. Evidence where the store is there
  /// already: true. O(1).
  bool confirm(kube::Revision newest, base::MonotonicTime when);
  /// Nothing of this resource changed after `held`, up to and including `until`: a store that was
  /// at `held` is at `until` too. True where that, or more, is what it holds now.
  bool confirm_quiet(kube::Revision held, kube::Revision until);

  /// How the map is spread over partitions, and the door to change that.
  [[nodiscard]] Partitions& partitions() noexcept;

  [[nodiscard]] StoreStats stats() const;

 private:
  friend class Reader;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace podkeeper::state
