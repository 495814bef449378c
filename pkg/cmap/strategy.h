#pragma once

#include "pkg/base/epoch.h"
#include "pkg/base/lifetime.h"
#include "pkg/base/ref.h"
#include "pkg/cmap/inspect.h"
#include "pkg/cmap/record.h"
#include "pkg/cmap/split_table.h"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace podkeeper::cmap {

/// How a map synchronizes its readers and writers; the values of ConcurrentMapPolicy's
/// spec.strategy that are built.
enum class Strategy { kMutex, kRWMutex, kSharded, kSyncMap, kCopyOnWrite, kLockFree };
inline constexpr Strategy kStrategies[] = {Strategy::kMutex,       Strategy::kRWMutex,
                                           Strategy::kSharded,     Strategy::kSyncMap,
                                           Strategy::kCopyOnWrite, Strategy::kLockFree};
const char* to_string(Strategy strategy) noexcept;

const char* to_string(Hash hash) noexcept;

struct MapOptions {
  Strategy strategy = Strategy::kSharded;
  std::size_t shards = 256;  ///< a power of two, 1..65536; used by kSharded
  Hash hash = Hash::kXXH3;   ///< honoured by every strategy
  friend bool operator==(const MapOptions&, const MapOptions&) = default;
};

/// How far the migration of a map to another strategy is; see Migration.
enum class MigrationPhase {
  kNone,       ///< none runs
  kAnnounced,  ///< waits for the writers that do not know of it yet
  kCopying,    ///< writers change both tables, the old one's records are copied
  kRetiring,   ///< over for everybody; the table that nobody uses any more is taken apart
};
const char* to_string(MigrationPhase phase) noexcept;

/// What a map tells about itself. Counts are exact for every operation that happened before the
/// call; a strategy alone counts what it holds and how often a lock was not free, its Map the rest.
struct MapStats {
  Strategy strategy = Strategy::kSharded;
  std::size_t shards = 1;
  Hash hash = Hash::kXXH3;
  std::size_t entries = 0;
  std::size_t table_bytes = 0;   ///< of the tables, without the records
  std::size_t record_bytes = 0;  ///< sum of byte_size() over the records held
  std::uint64_t finds = 0, puts = 0, erases = 0, scans = 0;
  std::uint64_t contended = 0;  ///< times a lock was not free at once
  // While a migration runs, table_bytes counts both tables.
  MigrationPhase migration = MigrationPhase::kNone;
  std::uint64_t migrations = 0;          ///< that reached the new strategy
  std::uint64_t migrations_aborted = 0;  ///< that left the old one serving
};

/// What every strategy offers, over type-erased records. V is what Map<V> stores; the tables below
/// it hold Records.
///
/// Rules that hold in every strategy:
///  * A pointer that find() or for_each() gives is valid while the caller's Epoch::Guard is held;
///  make a Ref of it to
///    keep it longer.
///  * put, erase and the conditional forms are linearizable per key; find too.
///  * No callback ever runs under a lock, so put and erase from inside for_each() are allowed.
///  * for_each() shows each key that was there throughout exactly once; one put or erased meanwhile
///  at most once.
///  * A replaced or erased record is given to Epoch::retire; so are all of them when the map goes.
///  * A writer waits for the readers that were there before it, never for those that come after.
///  * size() is exact while nobody writes; meanwhile it lies between the sizes before and after
///  those writes.
///  * What its locks guard bears a WriteFlag that is always on: a lock that did not guard it is
///  misuse, and told.
template <class M>
concept ConcurrentMap =
    requires(M map, const M& constant, const base::Epoch::Guard& guard, const Key& key,
             base::Ref<const Record> record, const Record* expected, std::span<const Key> keys,
             std::span<const Record*> found, std::uint64_t position,
             const std::function<void(const Record&)>& visit) {
      { constant.find(guard, key) } -> std::same_as<const Record*>;
      /// Many keys at once, their cache misses overlapped; see Map::find_many().
      { constant.find_many(guard, keys, found) };
      /// True when the key was new.
      { map.put(record) } -> std::same_as<bool>;
      /// True when there was something to erase.
      { map.erase(key) } -> std::same_as<bool>;
      /// Puts only while the key still holds exactly `expected` (null: while it is absent); true
      /// when it did. Call under the guard that found `expected`, so that its address cannot come
      /// back as another record.
      { map.compare_and_put(guard, expected, record) } -> std::same_as<bool>;
      /// Erases only while the key still holds exactly `expected`; false for a null `expected`,
      /// which holds nothing.
      { map.compare_and_erase(guard, key, expected) } -> std::same_as<bool>;
      { constant.for_each(guard, visit) };
      /// for_each() in bounded steps; see AnyMap::for_each_from().
      {
        constant.for_each_from(guard, position, visit)
      } -> std::same_as<std::optional<std::uint64_t>>;
      { constant.size() } -> std::same_as<std::size_t>;
      { constant.stats() } -> std::same_as<MapStats>;
      // The inside of its tables; what it shows is told at Observed.
      { constant.position_of(key) } -> std::same_as<Position>;
      { constant.describe(guard, key) } -> std::same_as<ProbeChain>;
      { constant.census(guard) } -> std::same_as<std::vector<TableCensus>>;
    };

/// What a strategy may offer beside ConcurrentMap, for the change from or to it alone (Switchover),
/// which sees to it that nobody else writes the keys that it asks for or puts. What a strategy
/// lacks of it, its other calls do: at their price, which is a wait for the one lock where there is
/// one.
template <class M>
concept SettledAccess =
    requires(M map, const M& constant, const base::Epoch::Guard& guard, std::span<const Key> keys,
             std::span<const Record*> found, std::span<const Record* const> records,
             std::uint64_t position, const std::function<void(const Record&)>& visit) {
      /// find_many() that waits for nobody.
      { constant.find_settled(guard, keys, found) };
      /// for_each_from() that waits for nobody. A key that somebody writes meanwhile may be missed
      /// or come twice.
      {
        constant.for_each_settled_from(guard, position, visit)
      } -> std::same_as<std::optional<std::uint64_t>>;
      /// compare_and_put(guard, nullptr, record) for each; a lock is taken once for all.
      { map.put_absent(guard, records) };
      /// Has room for so many entries from now on; 0: for as many as it holds, as ever.
      { map.reserve(std::size_t{}) };
    };

/// The same, for the table that the change leaves, which nobody else can be in any more. Without it
/// each record is searched for and erased, and the table made smaller again and again.
template <class M>
concept Clearable = requires(M map, std::uint64_t position, std::size_t* dropped) {
  /// Drops the records of one stretch, gives the position of the rest as for_each_from() does, and
  /// adds to `*dropped`. The table keeps its memory.
  { map.clear_from(position, dropped) } -> std::same_as<std::optional<std::uint64_t>>;
};

namespace detail {
/// The handle's table of entry points: one virtual call, whatever the strategy, but for the finds
/// of those whose records are in one SplitTable.
class AnyMap {
 public:
  AnyMap() = default;
  virtual ~AnyMap() = default;
  AnyMap(const AnyMap&) = delete;
  AnyMap& operator=(const AnyMap&) = delete;
  [[gnu::always_inline]] const Record* find(const base::Epoch::Guard& guard PK_LIFETIME_BOUND,
                                            const Key& key) const {
    return split_ != nullptr ? split_->find(key) : find_elsewhere(guard, key);
  }
  virtual void find_many(const base::Epoch::Guard& guard, std::span<const Key> keys,
                         std::span<const Record*> found) const = 0;
  virtual bool put(base::Ref<const Record> record) = 0;
  virtual bool erase(const Key& key) = 0;
  virtual bool compare_and_put(const base::Epoch::Guard& guard, const Record* expected,
                               base::Ref<const Record> record) = 0;
  virtual bool compare_and_erase(const base::Epoch::Guard& guard, const Key& key,
                                 const Record* expected) = 0;
  virtual void for_each(const base::Epoch::Guard& guard,
                        const std::function<void(const Record&)>& visit) const = 0;
  /// for_each() in steps: shows the few hundred records that lie from `position` on and gives the
  /// position of the rest, nothing after the last; begin at 0. Positions are hashes, so the rules
  /// of for_each() hold over all steps together, although guards come and go and tables change
  /// their size in between.
  virtual std::optional<std::uint64_t> for_each_from(
      const base::Epoch::Guard& guard, std::uint64_t position,
      const std::function<void(const Record&)>& visit) const = 0;
  virtual std::size_t size() const = 0;
  virtual MapStats stats() const = 0;
  // See SettledAccess and Clearable.
  virtual void find_settled(const base::Epoch::Guard& guard, std::span<const Key> keys,
                            std::span<const Record*> found) const = 0;
  virtual std::optional<std::uint64_t> for_each_settled_from(
      const base::Epoch::Guard& guard, std::uint64_t position,
      const std::function<void(const Record&)>& visit) const = 0;
  virtual void put_absent(const base::Epoch::Guard& guard,
                          std::span<const Record* const> records) = 0;
  virtual void reserve(std::size_t entries) = 0;
  virtual std::optional<std::uint64_t> clear_from(std::uint64_t position, std::size_t* dropped) = 0;
  // See Observed.
  virtual Position position_of(const Key& key) const = 0;
  virtual ProbeChain describe(const base::Epoch::Guard& guard, const Key& key) const = 0;
  virtual std::vector<TableCensus> census(const base::Epoch::Guard& guard) const = 0;

 protected:
  /// find() looks there from now on; before anybody uses the map.
  void find_in(const SplitTable& table) noexcept { split_ = &table; }

 private:
  virtual const Record* find_elsewhere(const base::Epoch::Guard& guard, const Key& key) const = 0;

  const SplitTable* split_ = nullptr;
};
std::unique_ptr<AnyMap> make_map(const MapOptions& options);
}  // namespace detail

}  // namespace podkeeper::cmap
