#pragma once

#include "pkg/access/authorized.h"
#include "pkg/base/epoch.h"
#include "pkg/cmap/map.h"
#include "pkg/kube/object.h"
#include "pkg/kube/selector.h"
#include "pkg/state/record.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::state {

/// Why a pod does not move on, where it should have long since.
enum class StuckReason {
  kNone,
  kPending,            ///< waits for a node
  kContainerCreating,  ///< has a node, but none of its containers ran yet
  kTerminating,        ///< should be gone
};
/// "", "Pending", "ContainerCreating", "Terminating".
const char* to_string(StuckReason reason) noexcept;

/// What podkeeper says about one pod, derived from its mirror record and its node's. A value; the
/// views and the labels live in `pod`, which it keeps.
struct PodState {
  RecordRef pod;            ///< never null
  std::string_view reason;  ///< the STATUS column of kubectl get pods
  bool ready = false;
  bool terminating = false;
  bool node_lost = false;
  StuckReason stuck = StuckReason::kNone;
  kube::UnixSeconds last_transition_at = 0;
  kube::UnixSeconds expires_at = 0;  ///< when a terminal pod's state goes; 0: never

  [[nodiscard]] const kube::Object& object() const noexcept { return pod->object(); }
  [[nodiscard]] const kube::PodFields& fields() const noexcept { return *pod->object().pod(); }
  [[nodiscard]] kube::Revision revision() const noexcept { return object().revision; }
  [[nodiscard]] std::string_view namespace_() const noexcept { return object().namespace_(); }
  [[nodiscard]] std::string_view name() const noexcept { return object().name(); }
  [[nodiscard]] std::string_view uid() const noexcept { return object().uid; }
  [[nodiscard]] std::string_view node() const noexcept { return pod->node(); }
  [[nodiscard]] std::string_view phase() const noexcept { return fields().phase; }
  [[nodiscard]] std::string_view pod_ip() const noexcept { return fields().pod_ip; }
  [[nodiscard]] std::uint32_t ready_containers() const noexcept {
    return fields().containers_ready;
  }
  [[nodiscard]] std::uint32_t total_containers() const noexcept {
    return fields().containers_total;
  }
  [[nodiscard]] std::uint32_t restarts() const noexcept { return fields().restarts; }
  [[nodiscard]] kube::UnixSeconds created_at() const noexcept { return object().created; }
  [[nodiscard]] const kube::Object::LabelSpan& labels() const noexcept { return object().labels; }

  /// Equal when derived from the same record with the same outcome.
  friend bool operator==(const PodState& a, const PodState& b) noexcept;
};

/// Succeeded or Failed: the pod will not run again.
bool terminal(const kube::PodFields& fields) noexcept;

/// A PodState as the map holds it. Immutable.
class PodStateRecord final : public cmap::Record {
 public:
  /// PK_CHECKs that the state is one of a pod.
  explicit PodStateRecord(PodState state);
  [[nodiscard]] const PodState& state() const noexcept { return state_; }
  [[nodiscard]] Placement placement() const noexcept { return state_.pod->placement(); }

 private:
  PodState state_;
};
using PodStateRef = base::Ref<const PodStateRecord>;

enum class PodSort { kKey, kCreatedAt, kLastTransitionAt, kRestarts };
/// "name" (or empty), "createdAt", "lastTransitionAt", "restarts".
std::optional<PodSort> parse_pod_sort(std::string_view text) noexcept;

/// Where a page of a sorted list ended: the last item's value in the sort's column (0 for kKey) and
/// its key.
struct PodPosition {
  std::int64_t value = 0;
  std::string key;
  friend bool operator==(const PodPosition&, const PodPosition&) = default;
};

struct PodStateQuery {
  std::string namespace_ = {};  ///< empty: all
  kube::LabelSelector labels = {};
  kube::FieldSelector fields = {};  ///< the pods' own: status.phase, spec.nodeName, ...
  PodSort sort = PodSort::kKey;
  bool descending = false;
  std::int64_t limit = 0;  ///< 0: all
  std::optional<PodPosition> start_after = {};
};

struct PodStateList {
  std::vector<PodStateRef> states;  ///< in the query's order; equal values by key
  std::int64_t remaining = 0;       ///< matches after these
  std::optional<PodPosition> next;  ///< where the next page starts after; none at the end
};

/// The PodState map: one partitioned map that workers and the sweeper write at the same time, each
/// by compare-and-put or compare-and-erase, and that anybody reads. Any thread may call anything. A
/// list shows each pod that was there throughout exactly once; it is not a snapshot at one
/// revision, every item carries its own.
class PodStates {
 public:
  using Map = PartitionedMap<PodStateRecord>;
  /// `clock` outlives it.
  explicit PodStates(base::Clock& clock, const cmap::MapOptions& options = {})
      : map_("podstates.state.podkeeper.dev", "pods", clock, options) {}

  /// Null when there is none. O(1).
  [[nodiscard]] PodStateRef get(access::AuthorizedRead allowed, const kube::ObjectKey& key) const;
  /// O(pods), plus O(page log page) for the order.
  [[nodiscard]] PodStateList list(access::AuthorizedRead allowed, const PodStateQuery& query) const;
  /// The same among `pods` alone, what an index of the mirror narrowed the query to; a pod without
  /// a state is left out. O(pods given): they are looked up in bulk.
  [[nodiscard]] PodStateList list_among(access::AuthorizedRead allowed, const PodStateQuery& query,
                                        std::span<const RecordRef> pods) const;

  /// Whether every pod that the mirror held at first has been looked at. Before that a state which
  /// is missing may only be late, and whoever is asked should say so; once it holds, it stays.
  [[nodiscard]] bool complete() const noexcept { return complete_.load(std::memory_order_acquire); }
  void set_complete() noexcept { complete_.store(true, std::memory_order_release); }

  /// The writers' door.
  [[nodiscard]] Map& map() noexcept { return map_; }
  [[nodiscard]] const Map& map() const noexcept { return map_; }

 private:
  Map map_;
  std::atomic<bool> complete_{false};
};

}  // namespace podkeeper::state
