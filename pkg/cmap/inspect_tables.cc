// What the tables inside the strategies show of themselves; for Observed.
#include "pkg/cmap/flat_table.h"
#include "pkg/cmap/inspect.h"
#include "pkg/cmap/inspect_buckets.h"
#include "pkg/cmap/split_table.h"
#include "pkg/cmap/sync_table.h"
#include "pkg/cmap/versioned_segment.h"

#include <cstdint>
#include <vector>

namespace podkeeper::cmap {
namespace {

/// The bits of the hash that choose a segment of that depth.
std::uint64_t prefix_of(std::uint64_t hash, const Segment& segment) noexcept {
  return segment.depth == 0 ? 0 : hash >> (64 - segment.depth);
}

}  // namespace

std::uint32_t FlatTable::home_bucket(const Key& key) const noexcept {
  return static_cast<std::uint32_t>(view().home(placement_(key)));
}

void FlatTable::describe(const Key& key, ProbeChain& chain) const {
  if (key.text.empty() && placement_.by_text()) return;
  const View table = view();
  const std::uint64_t hash = placement_(key);
  chain.tables = 1;
  describe_buckets(table, table.home(hash), hash, key, chain);
}

void FlatTable::count(TableCensus& census) const {
  const View table = view();
  census.tombstones += tombstones();
  count_buckets(table, [&](const Key& key) { return table.home(placement_(key)); }, census);
}

void SyncTable::describe(std::uint64_t hash, const Key& key, ProbeChain& chain) const {
  if (word_ == 0) return;
  describe_buckets(view(), view().home(hash), hash, key, chain, &SyncWord::record);
}

void SyncTable::count(const Placement& placement, TableCensus& census) const {
  if (word_ == 0) return;
  const View table = view();
  count_buckets(
      table, [&](const Key& key) { return table.home(placement(key)); }, census, &SyncWord::record);
}

void VersionedSegment::count(std::uintptr_t word, const Placement& placement, TableCensus& census) {
  const Buckets all = buckets(word);
  census.tombstones += of(word)->tombstones.load(std::memory_order_relaxed);
  census.bytes += sizeof(VersionedSegment);
  count_buckets(all, [&](const Key& key) { return home(all, placement(key)); }, census);
}

Position SplitTable::position_of(const Key& key) const noexcept {
  const std::uint64_t hash = placement_(key);
  const Segment& segment = segment_for(hash);
  return {.shard = static_cast<std::uint32_t>(prefix_of(hash, segment)),
          .bucket = static_cast<std::uint32_t>(home(hash) & segment.buckets().mask())};
}

ProbeChain SplitTable::describe(const Key& key) const {
  if (key.text.empty() && placement_.by_text()) return {};
  const std::uint64_t hash = placement_(key);
  const Segment& segment = segment_for(hash);
  ProbeChain chain{.home = {.shard = static_cast<std::uint32_t>(prefix_of(hash, segment))},
                   .tables = std::uint64_t{1} << segment.depth};
  const Buckets buckets = segment.buckets();
  describe_buckets(buckets, home(hash) & buckets.mask(), hash, key, chain);
  return chain;
}

std::vector<TableCensus> SplitTable::census() const {
  std::vector<TableCensus> segments;
  std::uint64_t hash = 0;
  do {
    const Segment& segment = segment_for(hash);
    const std::uint64_t prefix = prefix_of(hash, segment);
    TableCensus census{.shard = static_cast<std::uint32_t>(prefix),
                       .tombstones = segment.tombstones.load(std::memory_order_relaxed),
                       .bytes = sizeof(Segment)};
    const Buckets buckets = segment.buckets();
    count_buckets(
        buckets, [&](const Key& key) { return home(placement_(key)) & buckets.mask(); }, census);
    segments.push_back(census);
    // The first hash that is not of this segment; 0 after the last.
    hash = segment.depth == 0 ? 0 : (prefix + 1) << (64 - segment.depth);
  } while (hash != 0);
  return segments;
}

}  // namespace podkeeper::cmap
