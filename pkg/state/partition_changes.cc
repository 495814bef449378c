#include "pkg/state/grace.h"
#include "pkg/state/map_migration.h"
#include "pkg/state/partition_layout.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace podkeeper::state {

using base::Epoch;
using base::Error;
using base::ErrorCode;

namespace {

using AnyRef = base::Ref<const cmap::Record>;

constexpr base::Duration kApplyTimeout = std::chrono::seconds(30);
constexpr std::size_t kMovesPerStep = 1024;
constexpr base::Duration kPause = std::chrono::milliseconds(1);

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
        partition =
            std::make_shared<Partition>(policy, policy::partition_name(name_, policy), options);
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
  base::Result<void> outcome;
  for (Change& change : changes) {
    auto migrating = migrate(clock_, change.partition->map, change.to, change.limits);
    const auto report = co_await std::move(migrating);
    if (!report) {
      // The others do not wait for one that never ends in its time.
      if (outcome) outcome = report.error();
      continue;
    }
    change.partition->options = change.to;
    base::Lock lock(change.partition->mutex);
    change.partition->last_migration = figures(*report, clock_.wall_now());
  }
  co_return outcome;
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
