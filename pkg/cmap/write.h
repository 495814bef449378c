#pragma once

#include "pkg/base/epoch.h"
#include "pkg/base/ref.h"
#include "pkg/cmap/counters.h"
#include "pkg/cmap/flat_table.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace podkeeper::cmap {

/// Carries a change out: `apply(write, spare)` calls Table::apply under its lock; storage is
/// made before the lock and what was replaced is retired after it. Counts the bytes that come and
/// go. Only the strategies call this.
template <class Table = FlatTable, class Apply>
typename Table::Answer commit(const FlatTable::Write& write, Counters& counters, Apply&& apply) {
  // Asked for now: once it is in the table, another thread may replace and free it.
  std::size_t bytes = write.record == nullptr ? 0 : write.record->byte_size();
  typename Table::Spare spare;
  for (;;) {
    const auto answer = apply(write, spare);
    if (answer.outcome == FlatTable::Outcome::kNeedsStorage) {
      spare = Table::make_spare(answer);  // a spare that a faster writer made useless goes at once
      continue;
    }
    std::move(spare).retire();
    if (answer.outcome == FlatTable::Outcome::kRefused) return answer;
    if (answer.before != nullptr) {
      const std::size_t gone = answer.before->byte_size();
      base::Epoch::retire(base::Ref<const Record>::adopt(answer.before), gone);
      bytes -= gone;
    }
    if (bytes != 0) counters.add(Counters::kRecordBytes, bytes);
    return answer;
  }
}

/// commit() for a put: the table takes over the count that `record` holds when the change is done.
template <class Table = FlatTable, class Apply>
typename Table::Answer commit_put(base::Ref<const Record> record, bool conditional,
                                  const Record* expected, Counters& counters, Apply&& apply) {
  const auto write = FlatTable::Write{.key = record->key(),
                                      .record = record.get(),
                                      .conditional = conditional,
                                      .expected = expected};
  const auto answer = commit<Table>(write, counters, std::forward<Apply>(apply));
  if (answer.outcome == FlatTable::Outcome::kDone) (void)record.release();
  return answer;
}

/// Records between the one that a walk shows and the one that it asks memory for.
inline constexpr std::size_t kRecordsAhead = 8;

/// Starts the cache misses of a record's head and, as it often lies right behind, its key's bytes.
inline void prefetch_head(const Record& record) noexcept {
  __builtin_prefetch(&record);
  __builtin_prefetch(reinterpret_cast<const char*>(&record) + 64);
}

/// Shows one stretch of one table, and gives the next one's position, if there is one:
/// `collect(position, out)` calls FlatTable::collect under its lock, `visit` runs outside it.
template <class Collect>
std::optional<std::uint64_t> walk_stretch(std::uint64_t from,
                                          const std::function<void(const Record&)>& visit,
                                          std::vector<const Record*>& batch, Collect&& collect) {
  std::optional<std::uint64_t> position = from;
  while (!collect(&position, &batch)) {
    batch.reserve(batch.capacity() * 2 + FlatTable::kStretchBuckets * FlatTable::kSlots);
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (i + kRecordsAhead < batch.size()) prefetch_head(*batch[i + kRecordsAhead]);
    visit(*batch[i]);
  }
  return position;
}

/// Walks one table, stretch by stretch.
template <class Collect>
void walk(const std::function<void(const Record&)>& visit, std::vector<const Record*>& batch,
          Collect&& collect) {
  std::optional<std::uint64_t> position = 0;
  while (position.has_value()) position = walk_stretch(*position, visit, batch, collect);
}

}  // namespace podkeeper::cmap
