#pragma once

#include "pkg/base/epoch.h"
#include "pkg/base/ref.h"
#include "pkg/cmap/bulk_find.h"
#include "pkg/cmap/counters.h"
#include "pkg/cmap/inspect.h"
#include "pkg/cmap/record.h"
#include "pkg/cmap/split_table.h"
#include "pkg/cmap/strategy.h"
#include "pkg/cmap/write.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace podkeeper::cmap {

/// The calls of ConcurrentMap over a SplitTable: what the strategies Sharded and LockFree have in
/// common. `WriteLocks` is where they differ:
///  * kStrategy, kLocks (what SplitTable is told), depth(), root_bits(), shards();
///  * with(table, hash, counters, body): gives what body(segment) gives, called under the lock of
///    the segment that serves the hash.
///
/// Readers take no lock, write nothing shared and never wait: not for a writer, not for a growth,
/// not for a scan. for_each() holds one segment's lock while it collects that segment (at most a
/// few hundred pointers), and calls back outside it.
template <class WriteLocks>
class SplitMap {
 public:
  explicit SplitMap(WriteLocks locks, Hash hash)
      : locks_(std::move(locks)),
        hash_(hash),
        table_({.hash = hash,
                .locks = WriteLocks::kLocks,
                .depth = locks_.depth(),
                .root_bits = locks_.root_bits()}) {}

  const Record* find(const base::Epoch::Guard&, const Key& key) const { return table_.find(key); }
  /// Where find() looks.
  [[nodiscard]] const SplitTable& table() const noexcept { return table_; }

  void find_many(const base::Epoch::Guard&, std::span<const Key> keys,
                 std::span<const Record*> found) const {
    for_each_group(keys, found, [this](std::span<const Key> some, std::span<const Record*> into) {
      find_group(some, into, table_);
    });
  }

  bool put(base::Ref<const Record> record) {
    return put(std::move(record), false, nullptr).before == nullptr;
  }

  bool compare_and_put(const base::Epoch::Guard&, const Record* expected,
                       base::Ref<const Record> record) {
    return put(std::move(record), true, expected).outcome == SplitTable::Outcome::kDone;
  }

  bool erase(const Key& key) { return erase({.key = key}); }

  bool compare_and_erase(const base::Epoch::Guard&, const Key& key, const Record* expected) {
    return erase({.key = key, .conditional = true, .expected = expected});
  }

  void for_each(const base::Epoch::Guard&, const std::function<void(const Record&)>& visit) const {
    std::vector<const Record*> batch;
    walk(visit, batch, collector());
  }

  std::optional<std::uint64_t> for_each_from(
      const base::Epoch::Guard&, std::uint64_t position,
      const std::function<void(const Record&)>& visit) const {
    std::vector<const Record*> batch;
    return walk_stretch(position, visit, batch, collector());
  }

  // See Clearable.
  std::optional<std::uint64_t> clear_from(std::uint64_t position, std::size_t* dropped) {
    const base::Epoch::Guard guard;
    std::optional<std::uint64_t> next = position;
    *dropped += locks_.with(table_, position, counters_,
                            [&](Segment& segment) { return table_.clear(segment, &next); });
    return next;
  }

  [[nodiscard]] std::size_t size() const {
    const base::Epoch::Guard guard;
    return table_.size();
  }

  [[nodiscard]] MapStats stats() const {
    auto stats = MapStats{.strategy = WriteLocks::kStrategy,
                          .shards = locks_.shards(),
                          .hash = hash_,
                          .entries = size(),
                          .table_bytes = table_.bytes()};
    counters_.report(stats);
    return stats;
  }

  // See Observed.
  [[nodiscard]] Position position_of(const Key& key) const {
    const base::Epoch::Guard guard;
    return table_.position_of(key);
  }
  [[nodiscard]] ProbeChain describe(const base::Epoch::Guard&, const Key& key) const {
    return table_.describe(key);
  }
  [[nodiscard]] std::vector<TableCensus> census(const base::Epoch::Guard&) const {
    return table_.census();
  }

 private:
  SplitTable::Answer put(base::Ref<const Record> record, bool conditional, const Record* expected) {
    const base::Epoch::Guard guard;
    auto apply = applier(table_.hash_of(record->key()));
    return commit_put<SplitTable>(std::move(record), conditional, expected, counters_, apply);
  }

  bool erase(const SplitTable::Write& write) {
    const base::Epoch::Guard guard;
    const std::uint64_t hash = table_.hash_of(write.key);
    const auto answer = commit<SplitTable>(write, counters_, applier(hash));
    if (answer.plan.kind != Replacement::Kind::kNone) shrink(hash);
    return answer.outcome == SplitTable::Outcome::kDone;
  }

  /// Step by step, each under the lock anew, until nothing is left to make smaller: what all steps
  /// together move fits into one segment.
  void shrink(std::uint64_t hash) {
    Spare spare;
    for (;;) {
      const auto answer = locks_.with(table_, hash, counters_, [&](Segment& segment) {
        return table_.shrink(hash, segment, spare);
      });
      std::move(spare).retire();
      if (answer.outcome == SplitTable::Outcome::kRefused) return;
      spare = answer.outcome == SplitTable::Outcome::kNeedsStorage ? SplitTable::make_spare(answer)
                                                                   : Spare();
    }
  }

  auto collector() const {
    return [this](std::optional<std::uint64_t>* position, auto* out) {
      return locks_.with(table_, position->value(), counters_, [&](const Segment& segment) {
        return table_.collect(segment, position, out);
      });
    };
  }

  auto applier(std::uint64_t hash) {
    return [this, hash](const SplitTable::Write& write, Spare& spare) {
      if constexpr (WriteLocks::kLocks == SplitTable::Locks::kSegment) {
        if (const auto done = table_.replace(write, hash)) return *done;
      }
      return locks_.with(table_, hash, counters_, [&](Segment& segment) {
        return table_.apply(write, hash, segment, spare);
      });
    };
  }

  mutable Counters counters_;
  const WriteLocks locks_;
  const Hash hash_;
  SplitTable table_;
};

}  // namespace podkeeper::cmap
