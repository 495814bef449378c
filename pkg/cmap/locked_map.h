#pragma once

#include "pkg/base/epoch.h"
#include "pkg/base/ref.h"
#include "pkg/cmap/bulk_find.h"
#include "pkg/cmap/counters.h"
#include "pkg/cmap/flat_table.h"
#include "pkg/cmap/inspect.h"
#include "pkg/cmap/record.h"
#include "pkg/cmap/strategy.h"
#include "pkg/cmap/write.h"
#include "pkg/cmap/writer_first.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace podkeeper::cmap {

/// One table behind one lock M (base::Mutex or base::SharedMutex): the whole of the strategies
/// Mutex and RWMutex. Every operation is O(1) under the lock; a growth is O(entries) under it, and
/// everybody waits for it. for_each() holds the lock for one stretch of the table at a time.
///
/// A change to or from it waits for no reader: the table is copied without its lock, and filled
/// with many records under one (see SettledAccess).
template <class M, Strategy kStrategy>
class LockedMap {
 public:
  explicit LockedMap(Hash hash = Hash::kXXH3) : hash_(hash), table_(hash) {}

  const Record* find(const base::Epoch::Guard&, const Key& key) const {
    ReadLock<M> lock(mutex_, counters_);
    return table_.find(key);
  }

  /// Holds the lock for one group of keys at a time.
  void find_many(const base::Epoch::Guard&, std::span<const Key> keys,
                 std::span<const Record*> found) const {
    for_each_group(keys, found, [this](std::span<const Key> some, std::span<const Record*> into) {
      ReadLock<M> lock(mutex_, counters_);
      find_group(some, into, table_);
    });
  }

  bool put(base::Ref<const Record> record) {
    return commit_put(std::move(record), false, nullptr, counters_, applier()).before == nullptr;
  }

  bool erase(const Key& key) {
    return commit({.key = key}, counters_, applier()).outcome == FlatTable::Outcome::kDone;
  }

  bool compare_and_put(const base::Epoch::Guard&, const Record* expected,
                       base::Ref<const Record> record) {
    return commit_put(std::move(record), true, expected, counters_, applier()).outcome ==
           FlatTable::Outcome::kDone;
  }

  bool compare_and_erase(const base::Epoch::Guard&, const Key& key, const Record* expected) {
    const auto write = FlatTable::Write{.key = key, .conditional = true, .expected = expected};
    return commit(write, counters_, applier()).outcome == FlatTable::Outcome::kDone;
  }

  void for_each(const base::Epoch::Guard&, const std::function<void(const Record&)>& visit) const {
    std::vector<const Record*> batch;
    walk(visit, batch, [this](auto* position, auto* out) {
      ReadLock<M> lock(mutex_, counters_);
      return table_.collect(position, out);
    });
  }

  std::optional<std::uint64_t> for_each_from(
      const base::Epoch::Guard&, std::uint64_t position,
      const std::function<void(const Record&)>& visit) const {
    std::vector<const Record*> batch;
    return walk_stretch(position, visit, batch, [this](auto* at, auto* out) {
      ReadLock<M> lock(mutex_, counters_);
      return table_.collect(at, out);
    });
  }

  // See SettledAccess.
  void find_settled(const base::Epoch::Guard&, std::span<const Key> keys,
                    std::span<const Record*> found) const {
    for_each_group(keys, found, [this](std::span<const Key> some, std::span<const Record*> into) {
      find_group(some, into, beside_writers());
    });
  }
  std::optional<std::uint64_t> for_each_settled_from(
      const base::Epoch::Guard&, std::uint64_t position,
      const std::function<void(const Record&)>& visit) const {
    std::vector<const Record*> batch;
    return walk_stretch(position, visit, batch, [this](auto* at, auto* out) {
      return beside_writers().collect_settled(at, out);
    });
  }
  void put_absent(const base::Epoch::Guard&, std::span<const Record* const> records) {
    FlatTable::Storage spare;
    while (!records.empty()) {
      const std::size_t buckets = put_while_there_is_room(records, spare);
      std::move(spare).retire();
      if (buckets != 0) spare = FlatTable::Storage(buckets);
    }
  }
  void reserve(std::size_t entries) {
    FlatTable::Storage spare;
    if (entries != 0) spare = FlatTable::Storage(FlatTable::buckets_holding(entries));
    {
      WriteLock<M> lock(mutex_, counters_);
      table_.reserve(spare);
    }
    std::move(spare).retire();
  }

  // See Clearable.
  std::optional<std::uint64_t> clear_from(std::uint64_t position, std::size_t* dropped) {
    std::optional<std::uint64_t> next = position;
    WriteLock<M> lock(mutex_, counters_);
    *dropped += table_.clear(&next);
    return next;
  }

  [[nodiscard]] std::size_t size() const {
    ReadLock<M> lock(mutex_, counters_);
    return table_.size();
  }

  [[nodiscard]] MapStats stats() const {
    auto stats = MapStats{.strategy = kStrategy, .hash = hash_};
    {
      ReadLock<M> lock(mutex_, counters_);
      stats.entries = table_.size();
      stats.table_bytes = table_.bytes();
    }
    counters_.report(stats);
    return stats;
  }

  // See Observed.
  [[nodiscard]] Position position_of(const Key& key) const noexcept {
    return {.shard = 0, .bucket = beside_writers().home_bucket(key)};
  }
  [[nodiscard]] ProbeChain describe(const base::Epoch::Guard&, const Key& key) const {
    ProbeChain chain;
    beside_writers().describe(key, chain);
    return chain;
  }
  [[nodiscard]] std::vector<TableCensus> census(const base::Epoch::Guard&) const {
    std::vector<TableCensus> one(1);
    beside_writers().count(one.front());
    return one;
  }

 private:
  /// Takes those off `records` that it has put, or found in the table already, under one lock; the
  /// buckets that the next one needs, 0 when there is none.
  std::size_t put_while_there_is_room(std::span<const Record* const>& records,
                                      FlatTable::Storage& spare) {
    std::size_t buckets = 0;
    std::size_t bytes = 0;
    {
      WriteLock<M> lock(mutex_, counters_);
      for (; !records.empty(); records = records.subspan(1)) {
        const Record* record = records.front();
        if (records.size() > kBulkKeys) table_.prefetch_bucket(records[kBulkKeys]->key());
        const auto answer =
            table_.apply({.key = record->key(), .record = record, .conditional = true}, spare);
        buckets = answer.buckets;
        if (buckets != 0) break;
        if (answer.outcome != FlatTable::Outcome::kDone) continue;
        record->add_ref();  // the table's; nobody can have erased it yet
        bytes += record->byte_size();
      }
    }
    counters_.add(Counters::kRecordBytes, bytes);
    return buckets;
  }
  /// The table without the lock, for what may run beside a writer under an Epoch::Guard.
  [[nodiscard]] const FlatTable& beside_writers() const noexcept PK_NO_THREAD_SAFETY_ANALYSIS {
    return table_;
  }
  auto applier() {
    return [this](const FlatTable::Write& write, FlatTable::Storage& spare) {
      WriteLock<M> lock(mutex_, counters_);
      return table_.apply(write, spare);
    };
  }

  const Hash hash_;
  mutable Counters counters_;
  mutable WriterFirst<M> mutex_;
  FlatTable table_ PK_GUARDED_BY(mutex_);
};

}  // namespace podkeeper::cmap
