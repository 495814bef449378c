#pragma once

#include "pkg/base/epoch.h"
#include "pkg/base/lifetime.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/base/thread_annotations.h"
#include "pkg/cmap/counters.h"
#include "pkg/cmap/inspect.h"
#include "pkg/cmap/migration.h"
#include "pkg/cmap/record.h"
#include "pkg/cmap/strategy.h"
#include "pkg/cmap/switchover.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace podkeeper::cmap {

/// A map of type-erased records whose strategy, shard count and hash can change in use: what Map<V>
/// puts types on. Any thread may call anything; the rules are those of ConcurrentMap (strategy.h),
/// while a migration runs too.
///
/// A find costs one load and one virtual call beside its strategy; it never waits for a migration.
/// A write holds an epoch guard, so that a migration can tell when those are out that did not hear
/// of it; while one copies, it costs a stripe's mutex and the same change to a second table.
class SwitchedMap {
 public:
  /// `partition` names it to tracers (probes.h) and outlives it.
  explicit SwitchedMap(const MapOptions& options, const char* partition = "");
  /// No migration of it may run.
  ~SwitchedMap();
  SwitchedMap(const SwitchedMap&) = delete;
  SwitchedMap& operator=(const SwitchedMap&) = delete;

  [[gnu::always_inline]] const Record* find(const base::Epoch::Guard& guard PK_LIFETIME_BOUND,
                                            const Key& key) const {
    counters_.add(Counters::kFinds);
    return current().find(guard, key);
  }
  void find_many(const base::Epoch::Guard& guard, std::span<const Key> keys,
                 std::span<const Record*> found) const {
    counters_.add(Counters::kFinds, keys.size());
    current().find_many(guard, keys, found);
  }
  bool put(base::Ref<const Record> record) {
    counters_.add(Counters::kPuts);
    const base::Epoch::Guard guard;
    if (detail::Switchover* s = switchover()) [[unlikely]]
      return s->put(guard, std::move(record));
    return current().put(std::move(record));
  }
  bool erase(const Key& key) {
    counters_.add(Counters::kErases);
    const base::Epoch::Guard guard;
    if (detail::Switchover* s = switchover()) [[unlikely]]
      return s->erase(guard, key);
    return current().erase(key);
  }
  bool compare_and_put(const base::Epoch::Guard& guard, const Record* expected,
                       base::Ref<const Record> record) {
    counters_.add(Counters::kPuts);
    if (detail::Switchover* s = switchover()) [[unlikely]]
      return s->compare_and_put(guard, expected, std::move(record));
    return current().compare_and_put(guard, expected, std::move(record));
  }
  bool compare_and_erase(const base::Epoch::Guard& guard, const Key& key, const Record* expected) {
    counters_.add(Counters::kErases);
    if (detail::Switchover* s = switchover()) [[unlikely]]
      return s->compare_and_erase(guard, key, expected);
    return current().compare_and_erase(guard, key, expected);
  }
  void for_each(const base::Epoch::Guard& guard,
                const std::function<void(const Record&)>& visit) const {
    counters_.add(Counters::kScans);
    current().for_each(guard, visit);
  }
  /// One step of a walk; see AnyMap::for_each_from().
  std::optional<std::uint64_t> for_each_from(
      const base::Epoch::Guard& guard, std::uint64_t position,
      const std::function<void(const Record&)>& visit) const {
    return current().for_each_from(guard, position, visit);
  }
  [[nodiscard]] std::size_t size() const {
    const base::Epoch::Guard guard;
    return current().size();
  }
  [[nodiscard]] MapStats stats() const;

  // See Observed.
  [[nodiscard]] Strategy strategy() const noexcept {
    return strategy_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] Position position_of(const Key& key) const {
    const base::Epoch::Guard guard;
    return current().position_of(key);
  }
  [[nodiscard]] ProbeChain describe(const base::Epoch::Guard& guard, const Key& key) const {
    return current().describe(guard, key);
  }
  [[nodiscard]] std::vector<TableCensus> census(const base::Epoch::Guard& guard) const {
    return current().census(guard);
  }

  /// Begins a migration to `to`, which the caller drives; see Migration. kConflict while another
  /// runs. Panics for options that a new map would panic for. O(shards).
  [[nodiscard]] base::Result<Migration> migrate(const MapOptions& to);

  /// Makes the switchover of a migration; tests give one that is broken.
  using MakeSwitchover = std::function<std::unique_ptr<detail::Switchover>(
      std::atomic<detail::AnyMap*>& current, std::unique_ptr<detail::AnyMap> to, Counters&)>;
  [[nodiscard]] base::Result<Migration> migrate(const MapOptions& to, const MakeSwitchover& make);

 private:
  friend class Migration;

  [[nodiscard]] detail::AnyMap& current() const noexcept {
    return *current_.load(std::memory_order_acquire);
  }
  [[nodiscard]] detail::Switchover* switchover() const noexcept {
    return switchover_.load(std::memory_order_acquire);
  }
  void enter(MigrationPhase phase) noexcept;
  /// Sends writers to current_, and counts.
  void end_switchover(bool flipped) noexcept;
  void forget(std::unique_ptr<detail::Switchover> switchover) noexcept;

  const char* const partition_;
  std::atomic<Strategy> strategy_;        ///< what serves, for tracers
  std::atomic<detail::AnyMap*> current_;  ///< owned; where readers look
  /// What writers go through; null: they go to current_. Set null after current_ has its final
  /// value, so who reads null here finds that one.
  std::atomic<detail::Switchover*> switchover_{nullptr};

  mutable Counters counters_;
  mutable base::Mutex mutex_;
  MigrationPhase phase_ PK_GUARDED_BY(mutex_) = MigrationPhase::kNone;
  /// The one of the migration that runs, for stats(): also after writers left it.
  const detail::Switchover* running_ PK_GUARDED_BY(mutex_) = nullptr;
  std::uint64_t migrations_ PK_GUARDED_BY(mutex_) = 0;
  std::uint64_t aborted_ PK_GUARDED_BY(mutex_) = 0;
  std::uint64_t contended_before_ PK_GUARDED_BY(mutex_) = 0;  ///< in tables that are gone
};

}  // namespace podkeeper::cmap
