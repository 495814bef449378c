#pragma once

#include "pkg/base/epoch.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/thread_annotations.h"
#include "pkg/cmap/change.h"
#include "pkg/cmap/counters.h"
#include "pkg/cmap/inspect.h"
#include "pkg/cmap/record.h"
#include "pkg/cmap/strategy.h"
#include "pkg/cmap/sync_table.h"
#include "pkg/cmap/write_flag.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace podkeeper::cmap {

/// Strategy SyncMap, for keys that are put once and read ever after: the design of Go's sync.Map
/// (src/sync/map.go up to Go 1.23), in kParts parts that the top bits of the hash choose between,
/// so that no step is larger than a part.
///
/// A part has a read table, whose keys never change, and, while it is amended, a dirty table with
/// the keys that came since. A key that has a slot in either is read, replaced, erased and brought
/// back by one compare-and-swap on that slot. Only a key that has none takes the part's mutex, to
/// get a slot in the dirty table. Who has to look into the dirty table counts a miss (a put does
/// not); after as many misses as the part has keys, both tables are moved into a new read table
/// (promotion), without what was erased: those slots are expunged, and their keys come back as new
/// ones.
///
/// Where it differs from Go's: the dirty table has only what the read table lacks, so nothing is
/// copied when a part becomes amended; it is read without a lock; a promotion that finds the mutex
/// taken is left to the next miss. So a find never waits, but one in as many as the part has keys
/// promotes.
///
///  * find: lock-free, and wait-free while nobody promotes; two cache misses for a key in the read
///    table, four otherwise.
///  * put and erase of a key that has a slot: lock-free, except that they wait for a promotion of
///    their part that is under way. A new key waits for those of its part.
///  * Growth: the dirty table doubles in O(its entries) under the part's mutex; a promotion is
///    O(entries of the part), about 1/kParts of the map, and as much for an erase that leaves a
///    third of the slots dead. Amortized O(1) each. Readers never wait for either.
///  * for_each() holds one part's mutex while it collects a stretch of at most a few hundred
///    pointers from both tables: what is promoted between two stretches is in one table or the
///    other, with the same hash. It sees each key as of some moment of the walk.
///  * Memory: 12..23 B an entry and about 100 KiB, half as much again while erased keys wait for a
///    promotion; during one, twice the part's.
class SyncMap {
 public:
  explicit SyncMap(Hash hash = Hash::kXXH3);
  /// Retires the records and the tables.
  ~SyncMap();
  SyncMap(const SyncMap&) = delete;
  SyncMap& operator=(const SyncMap&) = delete;

  const Record* find(const base::Epoch::Guard&, const Key& key) const {
    const std::uint64_t hash = placement_(key);
    Part& part = part_of(hash);
    const SyncTable read = read_table(part);
    const SyncTable::Hit hit = read.locate(hash, key);
    if (hit.slot != nullptr) [[likely]]
      return SyncWord::record(hit.word);
    return SyncWord::record(search(part, hash, key, read, true).word);
  }
  void find_many(const base::Epoch::Guard& guard, std::span<const Key> keys,
                 std::span<const Record*> found) const;
  bool put(base::Ref<const Record> record);
  bool erase(const Key& key);
  bool compare_and_put(const base::Epoch::Guard& guard, const Record* expected,
                       base::Ref<const Record> record);
  bool compare_and_erase(const base::Epoch::Guard& guard, const Key& key, const Record* expected);
  void for_each(const base::Epoch::Guard& guard,
                const std::function<void(const Record&)>& visit) const;
  /// A stretch is 64 buckets of the larger of a part's two tables.
  std::optional<std::uint64_t> for_each_from(const base::Epoch::Guard& guard,
                                             std::uint64_t position,
                                             const std::function<void(const Record&)>& visit) const;
  /// See Clearable.
  std::optional<std::uint64_t> clear_from(std::uint64_t position, std::size_t* dropped);
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] MapStats stats() const;

  // See Observed. A shard is a part; its chain goes through the read table, then the dirty one.
  [[nodiscard]] Position position_of(const Key& key) const;
  [[nodiscard]] ProbeChain describe(const base::Epoch::Guard& guard, const Key& key) const;
  [[nodiscard]] std::vector<TableCensus> census(const base::Epoch::Guard& guard) const;

  /// Guards what is done to the key's part under its mutex (new slots, moves, walks): they panic
  /// when the mutex did not. What needs no mutex is not guarded.
  [[nodiscard]] WriteFlag& flag(const Key& key) noexcept { return part_of(placement_(key)).flag; }

  /// Where the keys are, over all parts.
  struct Levels {
    std::size_t read_slots = 0;   ///< taken in the read tables, erased ones included
    std::size_t dirty_slots = 0;  ///< in the dirty tables
    std::uint64_t promotions = 0;
  };
  [[nodiscard]] Levels levels() const;

  static constexpr std::size_t kParts = std::size_t{1} << SyncTable::kSkippedBits;

 private:
  /// What readers load, on a cache line of its own, and what writers write.
  struct alignas(64) Part {
    std::atomic<std::uintptr_t> read{0};   ///< a SyncTable, always
    std::atomic<std::uintptr_t> dirty{0};  ///< a SyncTable while the part is amended, else 0
    std::uint64_t promotions PK_GUARDED_BY(mutex) = 0;  ///< written when `read` is
    alignas(64) base::Mutex mutex;                      ///< for new slots and moves
    std::atomic<std::uint32_t> misses{0};               ///< since the last promotion
    std::atomic<std::int32_t> entries{0};
    std::atomic<std::uint32_t> slots{0};  ///< taken in both tables; written under the mutex
    std::uint32_t dirty_slots PK_GUARDED_BY(mutex) = 0;
    WriteFlag flag;  ///< says when the mutex did not guard the part
  };
  static_assert(alignof(Part) == 64, "a writer of one part must not disturb the readers of any");
  static_assert(sizeof(Part) == 128, "there are many, and most maps are small");

  struct Outcome {
    bool done = false;
    const Record* before = nullptr;  ///< what the key held, given to the reclaimer
    [[nodiscard]] bool was_new() const noexcept { return before == nullptr; }
  };
  enum class Step { kDone, kRefused, kAgain, kNeedsSlot };
  struct Move;
  struct Lookup;

  static std::size_t index_of(std::uint64_t hash) noexcept {
    return static_cast<std::size_t>(hash >> (64 - SyncTable::kSkippedBits));
  }
  [[nodiscard]] Part& part_of(std::uint64_t hash) const noexcept { return parts_[index_of(hash)]; }
  static SyncTable read_table(const Part& part) noexcept {
    return SyncTable(part.read.load(std::memory_order_acquire));
  }
  static SyncTable dirty_table(const Part& part) noexcept {
    return SyncTable(part.dirty.load(std::memory_order_acquire));
  }
  /// Goes on where `read` has no slot of the key, through dirty and later read tables.
  SyncTable::Hit search(Part& part, std::uint64_t hash, const Key& key, SyncTable read,
                        bool count_misses) const;
  Outcome commit(const Change& change);
  Outcome commit_put(base::Ref<const Record> record, bool conditional, const Record* expected);
  Step try_change(Part& part, std::uint64_t hash, const Change& change, const Record** before);
  static Step change_slot(SyncTable::Hit hit, std::uint64_t hash, const Change& change,
                          const Record** before);
  Step add(Part& part, std::uint64_t hash, const Change& change, Move& move)
      PK_REQUIRES(part.mutex);

  /// The last hash of the part's stretch of a walk that `from` lies in.
  static std::uint64_t stretch_end(SyncTable read, SyncTable dirty, std::uint64_t from) noexcept {
    const std::uint64_t last = read.stretch_end(from);
    return dirty ? std::min(last, dirty.stretch_end(from)) : last;
  }
  /// Collects one stretch, as walk_stretch() asks for.
  bool collect(std::optional<std::uint64_t>* position, std::vector<const Record*>* out) const;

  static bool wants_promotion(const Part& part) noexcept;
  static bool wants_compaction(const Part& part) noexcept;
  void promote(Part& part) const;
  void compact(Part& part) const;
  bool rebuild(Part& part, Move& move) const PK_REQUIRES(part.mutex);
  bool move_both(Part& part, Move& move) const PK_REQUIRES(part.mutex);

  const Placement placement_;
  const Hash hash_;
  mutable Counters counters_;
  mutable std::array<Part, kParts> parts_;
};
static_assert(ConcurrentMap<SyncMap>);

}  // namespace podkeeper::cmap
