#include "pkg/cmap/sync_map.h"

#include "pkg/cmap/counted_lock.h"
#include "pkg/cmap/probes.h"

#include <algorithm>
#include <source_location>
#include <utility>

namespace podkeeper::cmap {
namespace {

/// Dead slots a part may keep whatever its size; beyond them, half as many as it has entries.
constexpr std::size_t kDeadSlotsFree = 4;

std::size_t at_least_none(std::ptrdiff_t entries) {
  return entries < 0 ? 0 : static_cast<std::size_t>(entries);
}

/// Holds a mutex for a scope, if it was free at once.
class IfFree {
 public:
  explicit IfFree(base::Mutex& mutex) PK_NO_THREAD_SAFETY_ANALYSIS : mutex_(mutex),
                                                                     held_(mutex.try_lock()) {}
  ~IfFree() PK_NO_THREAD_SAFETY_ANALYSIS {
    if (held_) mutex_.unlock();
  }
  IfFree(const IfFree&) = delete;
  IfFree& operator=(const IfFree&) = delete;
  [[nodiscard]] bool held() const noexcept { return held_; }

 private:
  base::Mutex& mutex_;
  const bool held_;
};

}  // namespace

/// Memory for a move, made before the part's mutex is taken, and what the move left, retired after.
struct SyncMap::Move {
  Move() = default;
  ~Move() {
    spare.free();
    for (const SyncTable table : left) table.retire();
  }
  Move(const Move&) = delete;
  Move& operator=(const Move&) = delete;

  /// Whether the spare has `buckets`; if not, asks for one that has.
  [[nodiscard]] bool has(std::size_t buckets) noexcept {
    wanted = buckets;
    return spare.buckets() == buckets;
  }
  /// Makes what was asked for. Outside the mutex.
  void provide() {
    if (spare.buckets() == wanted) return;
    spare.free();
    spare = SyncTable::make(wanted);
  }

  SyncTable spare;
  std::size_t wanted = 0;
  std::array<SyncTable, 2> left;
};

SyncMap::SyncMap(Hash hash) : placement_(hash), hash_(hash) {
  for (Part& part : parts_) {
    part.read.store(SyncTable::make(1).word(), std::memory_order_release);
  }
}

SyncMap::~SyncMap() {
  const auto drop = [](SyncTable table) {
    table.each([](const Record& record) {
      const std::size_t bytes = record.byte_size();
      base::Epoch::retire(base::Ref<const Record>::adopt(&record), bytes);
    });
    table.retire();
  };
  for (Part& part : parts_) {
    drop(read_table(part));
    drop(dirty_table(part));
  }
}

SyncTable::Hit SyncMap::search(Part& part, std::uint64_t hash, const Key& key, SyncTable read,
                               bool count_misses) const {
  for (;;) {
    // A key moves from the dirty table to a read table that is published before the dirty table
    // goes: who finds it in neither, and the read table still the same, knows that it was absent.
    const SyncTable dirty = dirty_table(part);
    if (dirty) {
      const SyncTable::Hit hit = dirty.locate(hash, key);
      if (count_misses) {
        part.misses.fetch_add(1, std::memory_order_relaxed);
        if (wants_promotion(part)) promote(part);
      }
      if (hit.slot != nullptr) return hit;
    }
    const SyncTable now = read_table(part);
    if (now.word() == read.word()) return {};
    read = now;
    const SyncTable::Hit hit = read.locate(hash, key);
    if (hit.slot != nullptr) return hit;
  }
}

SyncMap::Step SyncMap::change_slot(SyncTable::Hit hit, std::uint64_t hash, const Change& change,
                                   const Record** before) {
  *before = SyncWord::record(hit.word);
  if (SyncWord::is_frozen(hit.word)) return Step::kNeedsSlot;
  if (!change.applies_to(*before)) return Step::kRefused;
  std::uintptr_t after = 0;
  if (change.record != nullptr) {
    after = SyncWord::of(change.record) |
            (SyncWord::is_shared(hit.word) ? SyncWord::kShared : std::uintptr_t{0});
  } else {
    after = SyncWord::is_shared(hit.word) ? SyncWord::kExpunged : SyncWord::erased(hash);
  }
  return hit.slot->compare_exchange_strong(hit.word, after, std::memory_order_acq_rel)
             ? Step::kDone
             : Step::kAgain;
}

SyncMap::Step SyncMap::try_change(Part& part, std::uint64_t hash, const Change& change,
                                  const Record** before) {
  const SyncTable read = read_table(part);
  SyncTable::Hit hit = read.locate(hash, change.key);
  if (hit.slot == nullptr) hit = search(part, hash, change.key, read, change.record == nullptr);
  if (hit.slot != nullptr) return change_slot(hit, hash, change, before);
  *before = nullptr;
  return change.applies_to(nullptr) ? Step::kNeedsSlot : Step::kRefused;
}

/// Under the mutex nothing moves and no key gets a slot, but slots go on changing.
SyncMap::Step SyncMap::add(Part& part, std::uint64_t hash, const Change& change, Move& move) {
  const SyncTable read(part.read.load(std::memory_order_relaxed));
  const SyncTable dirty(part.dirty.load(std::memory_order_relaxed));
  if (read.locate(hash, change.key).slot != nullptr) return Step::kAgain;
  if (dirty && dirty.locate(hash, change.key).slot != nullptr) return Step::kAgain;
  if (!change.applies_to(nullptr)) return Step::kRefused;

  SyncTable into = dirty;
  if (!dirty || part.dirty_slots + 1 > dirty.capacity()) {
    if (!move.has(dirty ? dirty.buckets() * 2 : 1)) return Step::kNeedsSlot;
    into = std::exchange(move.spare, {});
    if (dirty) {
      const auto moved = static_cast<std::uint32_t>(dirty.drain(into, placement_));
      part.slots.fetch_sub(part.dirty_slots - moved, std::memory_order_relaxed);
      part.dirty_slots = moved;
      move.left[0] = dirty;
      probes::grew("part", dirty.buckets(), into.buckets(), moved);
    }
    part.dirty.store(into.word(), std::memory_order_release);
  }
  // Keys of exactly one hash must not take an erased slot from each other.
  const auto in_read = read.share(hash, placement_);
  const auto in_dirty = into.share(hash, placement_);
  if (in_read == SyncTable::Sharing::kChanged || in_dirty == SyncTable::Sharing::kChanged) {
    return Step::kAgain;
  }
  into.place(hash, change.record, in_dirty == SyncTable::Sharing::kMarked);
  ++part.dirty_slots;
  part.slots.fetch_add(1, std::memory_order_relaxed);
  return Step::kDone;
}

SyncMap::Outcome SyncMap::commit(const Change& change) {
  const std::uint64_t hash = placement_(change.key);
  Part& part = part_of(hash);
  // Asked for now: once it is in a table, another thread may replace and free it.
  std::size_t bytes = change.record == nullptr ? 0 : change.record->byte_size();
  Outcome outcome;
  {
    const base::Epoch::Guard guard;
    Move move;
    for (Step step = Step::kAgain; step != Step::kDone;) {
      step = try_change(part, hash, change, &outcome.before);
      if (step == Step::kNeedsSlot) {
        {
          CountedLock lock(part.mutex, counters_);
          step = part.flag.write(
              [&]() PK_NO_THREAD_SAFETY_ANALYSIS { return add(part, hash, change, move); });
        }
        outcome.before = nullptr;
        if (step == Step::kNeedsSlot) move.provide();
      }
      if (step == Step::kRefused) return {};
    }
  }
  outcome.done = true;
  if (change.record == nullptr) {
    part.entries.fetch_sub(1, std::memory_order_relaxed);
    if (wants_compaction(part)) compact(part);
  } else if (outcome.before == nullptr) {
    part.entries.fetch_add(1, std::memory_order_relaxed);
  }
  if (outcome.before != nullptr) {
    const std::size_t gone = outcome.before->byte_size();
    base::Epoch::retire(base::Ref<const Record>::adopt(outcome.before), gone);
    bytes -= gone;
  }
  if (bytes != 0) counters_.add(Counters::kRecordBytes, bytes);
  return outcome;
}

SyncMap::Outcome SyncMap::commit_put(base::Ref<const Record> record, bool conditional,
                                     const Record* expected) {
  const Outcome outcome = commit({.key = record->key(),
                                  .record = record.get(),
                                  .conditional = conditional,
                                  .expected = expected});
  if (outcome.done) (void)record.release();
  return outcome;
}

bool SyncMap::put(base::Ref<const Record> record) {
  return commit_put(std::move(record), false, nullptr).was_new();
}

bool SyncMap::erase(const Key& key) { return commit({.key = key}).done; }

bool SyncMap::compare_and_put(const base::Epoch::Guard&, const Record* expected,
                              base::Ref<const Record> record) {
  return commit_put(std::move(record), true, expected).done;
}

bool SyncMap::compare_and_erase(const base::Epoch::Guard&, const Key& key, const Record* expected) {
  return commit({.key = key, .conditional = true, .expected = expected}).done;
}

bool SyncMap::wants_promotion(const Part& part) noexcept {
  const std::size_t entries = at_least_none(part.entries.load(std::memory_order_relaxed));
  return part.misses.load(std::memory_order_relaxed) >= std::max<std::size_t>(entries, 1) &&
         part.dirty.load(std::memory_order_relaxed) != 0;
}

bool SyncMap::wants_compaction(const Part& part) noexcept {
  const std::size_t slots = part.slots.load(std::memory_order_relaxed);
  const std::size_t entries = at_least_none(part.entries.load(std::memory_order_relaxed));
  if (entries == 0) {
    const SyncTable read(part.read.load(std::memory_order_relaxed));
    return read.buckets() > 1 || part.dirty.load(std::memory_order_relaxed) != 0;
  }
  return slots > entries + entries / 2 + kDeadSlotsFree;
}

void SyncMap::promote(Part& part) const PK_NO_THREAD_SAFETY_ANALYSIS {
  Caller::mine().at(std::source_location::current());  // a find has not told its call site
  Move move;
  for (bool settled = false; !settled;) {
    {
      const IfFree lock(part.mutex);
      if (!lock.held()) return;  // somebody moves or adds: the next miss will see to it
      settled = !wants_promotion(part) || rebuild(part, move);
    }
    if (!settled) move.provide();
  }
}

void SyncMap::compact(Part& part) const {
  Move move;
  for (bool settled = false; !settled;) {
    {
      CountedLock lock(part.mutex, counters_);
      settled = !wants_compaction(part) || rebuild(part, move);
    }
    if (!settled) move.provide();
  }
}

bool SyncMap::rebuild(Part& part, Move& move) const {
  return part.flag.write([&]() PK_NO_THREAD_SAFETY_ANALYSIS { return move_both(part, move); });
}

bool SyncMap::move_both(Part& part, Move& move) const {
  const SyncTable read(part.read.load(std::memory_order_relaxed));
  const SyncTable dirty(part.dirty.load(std::memory_order_relaxed));
  // Once the erased keys are expunged they cannot come back without the mutex: the number of
  // records only falls from here on, and a table for them is large enough.
  const std::size_t records = read.expunge() + dirty.expunge();
  if (!move.has(SyncTable::buckets_for(records))) return false;
  const SyncTable into = std::exchange(move.spare, {});
  const auto moved =
      static_cast<std::uint32_t>(read.drain(into, placement_) + dirty.drain(into, placement_));
  // In this order: search() relies on it.
  part.read.store(into.word(), std::memory_order_release);
  part.dirty.store(0, std::memory_order_release);
  part.slots.store(moved, std::memory_order_relaxed);
  part.misses.store(0, std::memory_order_relaxed);
  part.dirty_slots = 0;
  ++part.promotions;
  move.left = {read, dirty};
  probes::grew("part", read.buckets() + dirty.buckets(), into.buckets(), moved);
  return true;
}

std::size_t SyncMap::size() const {
  std::ptrdiff_t sum = 0;
  for (const Part& part : parts_) sum += part.entries.load(std::memory_order_relaxed);
  return at_least_none(sum);
}

MapStats SyncMap::stats() const {
  auto stats = MapStats{.strategy = Strategy::kSyncMap, .hash = hash_, .entries = size()};
  for (const Part& part : parts_) {
    stats.table_bytes += SyncTable(part.read.load(std::memory_order_relaxed)).bytes() +
                         SyncTable(part.dirty.load(std::memory_order_relaxed)).bytes();
  }
  counters_.report(stats);
  return stats;
}

SyncMap::Levels SyncMap::levels() const {
  Levels levels;
  for (Part& part : parts_) {
    CountedLock lock(part.mutex, counters_);
    levels.read_slots += part.slots.load(std::memory_order_relaxed) - part.dirty_slots;
    levels.dirty_slots += part.dirty_slots;
    levels.promotions += part.promotions;
  }
  return levels;
}

}  // namespace podkeeper::cmap
