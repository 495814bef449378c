#pragma once

#include "pkg/base/mutex.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/base/world.h"
#include "pkg/kube/revision_probe.h"
#include "pkg/policy/read_rules.h"
#include "pkg/runtime/task_group.h"
#include "pkg/state/store.h"
#include "pkg/telemetry/metrics.h"

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace podkeeper::state {

/// How current an answer has to be: as current as the mirror is, which is asked after meanwhile
/// where it is old (kEventual); no older than CurrencyOptions::snapshot_age_max (kSnapshot); or
/// showing every write that was answered before the read came (kLinearizable).
using Consistency = policy::Consistency;
std::string_view to_string(Consistency consistency) noexcept;  ///< "eventual", ...

/// What one read asks of the mirror. Ages count back from when the read came.
struct ReadDemand {
  Consistency consistency = Consistency::kEventual;
  std::optional<base::Duration> age_max = {};
  kube::Revision revision_min = {};  ///< 0: any

  /// Asks for nothing but the default.
  [[nodiscard]] bool plain() const noexcept {
    return consistency == Consistency::kEventual && !age_max && revision_min == kube::Revision{};
  }
};

/// Why a demand was not met in time.
struct Unmet {
  enum class Kind : std::uint8_t {
    kRevision,  ///< `wanted`, which the read named, was not reached
    kBehind,    ///< upstream is at `wanted`, and that was not reached
    kUnproven,  ///< upstream did not say where it is
  };
  Kind kind = Kind::kUnproven;
  kube::Revision wanted = {};
  base::Error error = {};  ///< kTimeout, with a retry_after
};

/// Times after which a read is refused, refreshed or looked after.
struct CurrencyOptions {
  base::Duration wait_max = std::chrono::seconds(3);  ///< as kube-apiserver waits for a revision
  base::Duration snapshot_age_max = std::chrono::milliseconds(500);
  base::Duration refresh_after = std::chrono::seconds(5);  ///< of the default's reads
  /// So long the stream may take before a second watch is asked whether nothing happened.
  base::Duration quiet_after = std::chrono::milliseconds(250);
};

/// Proves that a store is as current as a read demands, at a cost upstream that does not grow with
/// the number of readers.
///
/// Who needs a proof joins the round that is sent next. A round is one quorum read of upstream's
/// revision for all who joined before it was sent; who comes after that waits for the next, since
/// the answer under way may be older than a write that the newcomer has seen acknowledged. There is
/// one round under way and one that gathers, never more (the problem and this answer: KEP-2340;
/// kubernetes#138494 shows what becomes of an unbounded one).
///
/// Then the store has to get there. A resource on which nothing happens does not, for up to a
/// minute: upstream's revision is that of all resources, and the watch tells nothing but a bookmark
/// now and then. So if the store is still behind after `quiet_after`, one short watch from the
/// store's own revision asks whether nothing has changed since; if so, the store is lifted
/// (Store::confirm_quiet). What another stream says is proof only because that one begins where the
/// store stands; a bookmark of an unrelated watch would be none. A change that it hears of is left
/// to the mirror's own stream.
///
/// Any thread. The world, the group, the metrics and the store outlive it and its tasks, which may
/// go on after it.
class Currency {
 public:
  using Met = std::expected<void, Unmet>;

  Currency(base::World& world, runtime::TaskGroup& group, telemetry::Metrics& metrics, Store& store,
           std::shared_ptr<kube::RevisionProbe> probe, CurrencyOptions options = {});
  ~Currency();

  /// Returns once what is read afterwards meets the demand, after `wait_max` at most. At once, for
  /// the default; then an old mirror is asked after in the background.
  base::Task<Met> meet(ReadDemand demand);
  /// Waits until the store is at `revision`; false at the deadline.
  base::Task<bool> reach(kube::Revision revision, base::MonotonicTime deadline);
  /// What a read of a namespace (empty: of all) gets that does not ask for anything itself. Any
  /// number of readers; O(rules), and next to nothing where there are none.
  [[nodiscard]] ReadDemand unasked(std::string_view namespace_) const;
  /// What the policies say of it from now on.
  void set_rules(std::vector<policy::ReadRule> rules);

  /// Asks upstream in the background where the store is older than `refresh_after`; at most once in
  /// that time. O(1).
  void refresh_if_old();

 private:
  struct Round;
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace podkeeper::state
