#include "pkg/state/partitioned_map.h"

#include "pkg/state/grace.h"
#include "pkg/state/map_migration.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <ranges>
#include <span>
#include <unordered_set>

namespace podkeeper::state {

using base::Epoch;
using base::Error;
using base::ErrorCode;

namespace {

using AnyRef = base::Ref<const cmap::Record>;

constexpr base::Duration kApplyTimeout = std::chrono::seconds(30);
constexpr std::size_t kMovesPerStep = 1024;
constexpr base::Duration kPause = std::chrono::milliseconds(1);

std::string_view namespace_of(const cmap::Key& key) noexcept {
  const std::size_t slash = key.text.find('/');
  return slash == std::string_view::npos ? std::string_view{} : key.text.substr(0, slash);
}

policy::MigrationFigures figures(const MigrationReport& report, base::WallTime ended) {
  using std::chrono::duration_cast;
  return {.ended = std::chrono::floor<std::chrono::seconds>(ended).time_since_epoch().count(),
          .milliseconds = duration_cast<std::chrono::milliseconds>(report.duration).count(),
          .reads_per_second_before = std::llround(report.before.per_second),
          .reads_per_second_after = std::llround(report.after.per_second),
          .p99_before_nanoseconds = report.before.p99.count(),
          .p99_after_nanoseconds = report.after.p99.count()};
}

}  // namespace

struct Partitions::Partition {
  Partition(std::string policy_, const cmap::MapOptions& options_)
      : policy(std::move(policy_)), options(options_), map(options_) {}
  const std::string policy;
  cmap::MapOptions options;  ///< apply()'s alone
  cmap::Map<cmap::Record> map;
  base::Mutex mutex;
  std::optional<policy::MigrationFigures> last_migration PK_GUARDED_BY(mutex);
};

/// Where records are, immutable once published. Between two plans a layout is not settled: writers
/// place by `plan`, readers look everywhere.
struct Partitions::Layout {
  using Parts = std::vector<std::shared_ptr<Partition>>;
  policy::PartitionPlan plan;
  Parts parts;   ///< as `plan` numbers them, the default one last
  Parts others;  ///< of the plan before or the next: to look into, not to put into
  bool settled = true;

  [[nodiscard]] bool alone() const noexcept { return parts.size() == 1 && others.empty(); }
  [[nodiscard]] std::shared_ptr<Partition> of(std::string_view policy) const {
    for (const Parts* some : {&parts, &others}) {
      const auto found = std::ranges::find(*some, policy, [](const auto& p) { return p->policy; });
      if (found != some->end()) return *found;
    }
    return nullptr;
  }
  /// Calls `visit(partition)` for every partition, best rank first, until it returns true.
  template <class F>
  void any_of(F&& visit) const {
    for (const Parts* some : {&parts, &others}) {
      for (const auto& partition : *some) {
        if (visit(*partition)) return;
      }
    }
  }
};

/// A record and the partition that holds it; both null where there is none.
struct Partitions::Home {
  Partition* partition = nullptr;
  const cmap::Record* record = nullptr;
};

/// A for_each() under way: hears of the records that change their partition meanwhile.
class Partitions::Walk {
 public:
  explicit Walk(const Partitions& of) : of_(of) {
    base::Lock lock(of_.walks_mutex_);
    of_.walks_.push_back(this);
  }
  ~Walk() {
    base::Lock lock(of_.walks_mutex_);
    std::erase(of_.walks_, this);
  }
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

  void hears(AnyRef moved) { moved_.push_back(std::move(moved)); }  // under walks_mutex_
  [[nodiscard]] std::vector<AnyRef> take() {
    base::Lock lock(of_.walks_mutex_);
    return std::exchange(moved_, {});
  }

 private:
  const Partitions& of_;
  std::vector<AnyRef> moved_;
};

Partitions::Partitions(std::string name, std::string resource, PlacementOf placement_of,
                       base::Clock& clock, const cmap::MapOptions& defaults)
    : name_(std::move(name)),
      resource_(std::move(resource)),
      placement_of_(placement_of),
      clock_(clock) {
  auto first = std::make_unique<Layout>();
  first->plan.defaults = defaults;
  first->parts.push_back(std::make_shared<Partition>(std::string{}, defaults));
  publish(std::move(first));
}

Partitions::~Partitions() { delete layout_.load(std::memory_order_relaxed); }

void Partitions::publish(std::unique_ptr<const Layout> next) {
  const Layout* old = layout_.exchange(next.release(), std::memory_order_acq_rel);
  if (old == nullptr) return;
  Epoch::retire(old, [](const void* p) { delete static_cast<const Layout*>(p); }, sizeof(Layout));
}

Partitions::Partition& Partitions::target(const Layout& layout, const cmap::Record& record) const {
  if (layout.parts.size() == 1) return *layout.parts.front();
  const Placement placement = placement_of_(record);
  return *layout.parts[layout.plan.partition_of(placement.namespace_, placement.labels)];
}

const cmap::Record* Partitions::find(const Epoch::Guard& guard, const cmap::Key& key) const {
  const Layout* now = &layout(guard);
  if (now->alone()) return now->parts.front()->map.find(guard, key);
  const std::string_view namespace_ = namespace_of(key);
  const Stripe& stripe = stripe_of(key);
  std::uint64_t moves = stripe.moves.load(std::memory_order_acquire);
  while (true) {
    const cmap::Record* found = nullptr;
    std::size_t index = 0;
    now->any_of([&](const Partition& partition) {
      const std::size_t rule = index++;
      const bool prune = now->settled && rule < now->plan.rules.size();
      if (prune && !now->plan.rules[rule].covers(namespace_)) return false;
      found = partition.map.find(guard, key);
      return found != nullptr;
    });
    if (found != nullptr) return found;
    std::atomic_thread_fence(std::memory_order_acquire);
    const std::uint64_t moves_now = stripe.moves.load(std::memory_order_acquire);
    if (moves_now == moves) return nullptr;
    moves = moves_now;
    now = &layout(guard);
  }
}

bool Partitions::place(const Layout& layout, Stripe& stripe, const Home& held, AnyRef record) {
  Partition& to = target(layout, *record);
  if (held.partition == nullptr || held.partition == &to) return to.map.put(std::move(record));
  to.map.put(record);
  stripe.moves.fetch_add(1, std::memory_order_release);
  {
    base::Lock lock(walks_mutex_);
    for (Walk* walk : walks_) walk->hears(record);
  }
  held.partition->map.erase(record->key());
  return false;
}

Partitions::Home Partitions::locate(const Epoch::Guard& guard, const Layout& layout,
                                    const cmap::Key& key) {
  Home home;
  layout.any_of([&](Partition& partition) {
    home.record = partition.map.find(guard, key);
    if (home.record != nullptr) home.partition = &partition;
    return home.record != nullptr;
  });
  return home;
}

bool Partitions::put(AnyRef record) {
  Stripe& stripe = stripe_of(record->key());
  base::Lock lock(stripe.mutex);
  const Epoch::Guard guard;
  const Layout& now = layout(guard);
  if (now.alone()) return now.parts.front()->map.put(std::move(record));
  const Home held = locate(guard, now, record->key());
  return place(now, stripe, held, std::move(record));
}

bool Partitions::erase(const cmap::Key& key) {
  base::Lock lock(stripe_of(key).mutex);
  const Epoch::Guard guard;
  bool erased = false;
  layout(guard).any_of([&](Partition& partition) { return erased = partition.map.erase(key); });
  return erased;
}

bool Partitions::compare_and_put(const Epoch::Guard& guard, const cmap::Record* expected,
                                 AnyRef record) {
  Stripe& stripe = stripe_of(record->key());
  base::Lock lock(stripe.mutex);
  const Layout& now = layout(guard);
  const Home held = locate(guard, now, record->key());
  if (held.record != expected) return false;
  place(now, stripe, held, std::move(record));
  return true;
}

bool Partitions::compare_and_erase(const Epoch::Guard& guard, const cmap::Key& key,
                                   const cmap::Record* expected) {
  if (expected == nullptr) return false;
  base::Lock lock(stripe_of(key).mutex);
  bool erased = false;
  layout(guard).any_of([&](Partition& partition) {
    return erased = partition.map.compare_and_erase(guard, key, expected);
  });
  return erased;
}

void Partitions::for_each(const Epoch::Guard& guard,
                          const std::function<void(const cmap::Record&)>& visit) const {
  const Layout& now = layout(guard);
  // While the guard keeps this layout, writers place by its plan: nothing leaves a lone partition.
  if (now.alone()) return now.parts.front()->map.for_each(guard, visit);
  Walk walk(*this);
  std::unordered_set<std::string_view> shown;
  const auto show = [&](const cmap::Record& record) {
    if (shown.insert(record.key_text()).second) visit(record);
  };
  now.any_of([&](const Partition& partition) {
    partition.map.for_each(guard, show);
    return false;
  });
  const std::vector<AnyRef> moved = walk.take();
  for (const AnyRef& record : moved) show(*record);
}

std::size_t Partitions::size() const {
  const Epoch::Guard guard;
  std::size_t size = 0;
  layout(guard).any_of([&](const Partition& partition) {
    size += partition.map.size();
    return false;
  });
  return size;
}

std::vector<policy::PartitionReport> Partitions::report() const {
  const Epoch::Guard guard;
  std::vector<policy::PartitionReport> report;
  for (const auto& partition : layout(guard).parts) {
    base::Lock lock(partition->mutex);
    report.push_back({.policy = partition->policy,
                      .map = partition->map.stats(),
                      .last_migration = partition->last_migration});
  }
  return report;
}

std::map<std::string, std::shared_ptr<const cmap::Observed>> Partitions::maps() const {
  const Epoch::Guard guard;
  std::map<std::string, std::shared_ptr<const cmap::Observed>> maps;
  for (const auto& partition : layout(guard).parts) {
    maps.emplace(policy::partition_name(name_, partition->policy),
                 std::shared_ptr<const cmap::Observed>(partition, &partition->map));
  }
  return maps;
}

void Partitions::relocate(const cmap::Key& key) {
  Stripe& stripe = stripe_of(key);
  base::Lock lock(stripe.mutex);
  const Epoch::Guard guard;
  const Layout& now = layout(guard);
  const Home held = locate(guard, now, key);
  if (held.record == nullptr || &target(now, *held.record) == held.partition) return;
  place(now, stripe, held, AnyRef(held.record));
}

std::vector<AnyRef> Partitions::misplaced() const {
  const Epoch::Guard guard;
  const Layout& now = layout(guard);
  std::vector<AnyRef> found;
  now.any_of([&](const Partition& partition) {
    partition.map.for_each(guard, [&](const cmap::Record& record) {
      if (&target(now, record) != &partition) found.emplace_back(&record);
    });
    return false;
  });
  return found;
}

base::Task<base::Result<void>> Partitions::move_misplaced() {
  const base::MonotonicTime deadline = clock_.now() + kApplyTimeout;
  while (true) {
    const std::vector<AnyRef> records = misplaced();
    if (records.empty()) co_return base::Result<void>{};
    std::size_t moved = 0;
    for (const AnyRef& record : records) {
      relocate(record->key());
      if (++moved % kMovesPerStep != 0) continue;
      if (clock_.now() > deadline) {
        co_return Error{ErrorCode::kTimeout,
                        "partitions: " + std::to_string(records.size() - moved) +
                            " records are still to be moved; the next change goes on with them"};
      }
      auto pause = clock_.sleep_for(kPause);
      co_await std::move(pause);
    }
  }
}

void Partitions::set_audits() const {
  const Epoch::Guard guard;
  const Layout& now = layout(guard);
  for (std::size_t i = 0; i < now.parts.size(); ++i) {
    auto audit = i < now.plan.rules.size() ? now.plan.rules[i].audit : cmap::AuditOptions{};
    audit.clock = &clock_;
    now.parts[i]->map.set_audit(audit);
  }
}

base::Task<base::Result<void>> Partitions::rearrange(policy::PartitionPlan plan) {
  auto joined = std::make_unique<Layout>();
  auto next = std::make_unique<Layout>();
  {
    const Epoch::Guard guard;
    const Layout& now = layout(guard);
    *joined = {now.plan, now.parts, now.others, false};
    next->settled = false;
    const auto keep = [&](const std::string& policy, const cmap::MapOptions& options) {
      std::shared_ptr<Partition> partition = now.of(policy);
      if (!partition) {
        partition = std::make_shared<Partition>(policy, options);
        joined->others.push_back(partition);
      }
      next->parts.push_back(std::move(partition));
    };
    for (const policy::PartitionRule& rule : plan.rules) keep(rule.policy, rule.map);
    keep({}, plan.defaults);
    next->plan = std::move(plan);
    for (const Layout::Parts* some : {&now.parts, &now.others}) {
      for (const auto& partition : *some) {
        if (std::ranges::find(next->parts, partition) == next->parts.end()) {
          next->others.push_back(partition);
        }
      }
    }
  }
  auto settled = std::make_unique<Layout>(*next);
  settled->others.clear();
  settled->settled = true;

  // First every reader knows the new partitions, then writers use them, then what lies elsewhere
  // moves, then what is empty goes.
  publish(std::move(joined));
  auto known = grace(clock_);
  co_await std::move(known);
  publish(std::move(next));
  auto used = grace(clock_);
  co_await std::move(used);
  auto moving = move_misplaced();
  auto moved = co_await std::move(moving);
  if (!moved) co_return moved;
  publish(std::move(settled));
  set_audits();
  co_return base::Result<void>{};
}

base::Task<base::Result<void>> Partitions::switch_strategies() {
  struct Change {
    std::shared_ptr<Partition> partition;
    cmap::MapOptions to;
    MigrationLimits limits = {};
  };
  std::vector<Change> changes;
  {
    const Epoch::Guard guard;
    const Layout& now = layout(guard);
    for (std::size_t i = 0; i < now.plan.rules.size(); ++i) {
      const policy::PartitionRule& rule = now.plan.rules[i];
      if (!rule.online || rule.map == now.parts[i]->options) continue;
      changes.push_back({now.parts[i], rule.map, {.timeout = rule.migration_timeout}});
    }
    if (now.plan.defaults != now.parts.back()->options) {
      changes.push_back({now.parts.back(), now.plan.defaults});
    }
  }
  for (Change& change : changes) {
    auto migrating = migrate(clock_, change.partition->map, change.to, change.limits);
    const auto report = co_await std::move(migrating);
    if (!report) co_return report.error();
    change.partition->options = change.to;
    base::Lock lock(change.partition->mutex);
    change.partition->last_migration = figures(*report, clock_.wall_now());
  }
  co_return base::Result<void>{};
}

base::Task<base::Result<void>> Partitions::apply(policy::PartitionPlan plan) {
  if (applying_.exchange(true)) {
    co_return Error{ErrorCode::kConflict,
                    "partitions: another change is under way; try again when it is done"};
  }
  struct Done {
    std::atomic<bool>& flag;
    ~Done() { flag = false; }
  } const done{applying_};
  auto rearranging = rearrange(std::move(plan));
  auto rearranged = co_await std::move(rearranging);
  if (!rearranged) co_return rearranged;
  auto switching = switch_strategies();
  co_return co_await std::move(switching);
}

}  // namespace podkeeper::state
