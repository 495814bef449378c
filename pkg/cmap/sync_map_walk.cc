// How SyncMap is read other than key by key: many keys at once, stretch by stretch, and for show.
#include "pkg/cmap/bulk_find.h"
#include "pkg/cmap/counted_lock.h"
#include "pkg/cmap/sync_map.h"
#include "pkg/cmap/write.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace podkeeper::cmap {

/// The read tables, as find_group() asks them: most keys are there.
struct SyncMap::Lookup {
  const SyncMap& map;
  const base::Epoch::Guard& guard;

  void prefetch_bucket(const Key& key) const {
    const std::uint64_t hash = map.placement_(key);
    read_table(map.part_of(hash)).prefetch_bucket(hash);
  }
  void prefetch_record(const Key& key) const {
    const std::uint64_t hash = map.placement_(key);
    read_table(map.part_of(hash)).prefetch_record(hash);
  }
  [[nodiscard]] const Record* find(const Key& key) const { return map.find(guard, key); }
};

void SyncMap::find_many(const base::Epoch::Guard& guard, std::span<const Key> keys,
                        std::span<const Record*> found) const {
  const Lookup lookup{*this, guard};
  for_each_group(keys, found, [&](std::span<const Key> some, std::span<const Record*> into) {
    find_group(some, into, lookup);
  });
}

void SyncMap::for_each(const base::Epoch::Guard&,
                       const std::function<void(const Record&)>& visit) const {
  std::vector<const Record*> batch;
  walk(visit, batch, [this](auto* position, auto* out) { return collect(position, out); });
}

std::optional<std::uint64_t> SyncMap::for_each_from(
    const base::Epoch::Guard&, std::uint64_t position,
    const std::function<void(const Record&)>& visit) const {
  std::vector<const Record*> batch;
  return walk_stretch(position, visit, batch,
                      [this](auto* at, auto* out) { return collect(at, out); });
}

/// Under the mutex a key has a slot in one of the two tables at most, and keeps it.
bool SyncMap::collect(std::optional<std::uint64_t>* position,
                      std::vector<const Record*>* out) const {
  const std::uint64_t from = position->value();
  Part& part = part_of(from);
  out->clear();
  CountedLock lock(part.mutex, counters_);
  return part.flag.read([&] {
    const SyncTable read = read_table(part);
    const SyncTable dirty = dirty_table(part);
    const std::uint64_t last = stretch_end(read, dirty, from);
    if (!read.collect(from, last, placement_, out)) return false;
    if (!dirty.collect(from, last, placement_, out)) return false;
    *position = last == ~std::uint64_t{0} ? std::nullopt : std::optional(last + 1);
    return true;
  });
}

std::optional<std::uint64_t> SyncMap::clear_from(std::uint64_t position, std::size_t* dropped) {
  Part& part = part_of(position);
  CountedLock lock(part.mutex, counters_);
  return part.flag.write([&]() -> std::optional<std::uint64_t> {
    const SyncTable read = read_table(part);
    const SyncTable dirty = dirty_table(part);
    const std::uint64_t last = stretch_end(read, dirty, position);
    const std::size_t here = read.clear(position, last) + dirty.clear(position, last);
    part.entries.fetch_sub(static_cast<std::int32_t>(here), std::memory_order_relaxed);
    *dropped += here;
    if (last == ~std::uint64_t{0}) return std::nullopt;
    return last + 1;
  });
}

Position SyncMap::position_of(const Key& key) const {
  const base::Epoch::Guard guard;
  const std::uint64_t hash = placement_(key);
  const std::size_t index = index_of(hash);
  return {.shard = static_cast<std::uint32_t>(index),
          .bucket = static_cast<std::uint32_t>(read_table(parts_[index]).home_bucket(hash))};
}

ProbeChain SyncMap::describe(const base::Epoch::Guard&, const Key& key) const {
  if (key.text.empty() && placement_.by_text()) return {};
  const std::uint64_t hash = placement_(key);
  const Part& part = part_of(hash);
  ProbeChain chain{.home = {.shard = static_cast<std::uint32_t>(index_of(hash))}, .tables = kParts};
  ProbeChain beyond;
  // The dirty table first, as it was before what is promoted meanwhile came to the read table.
  const SyncTable dirty = dirty_table(part);
  read_table(part).describe(hash, key, chain);
  dirty.describe(hash, key, beyond);
  for (ProbedBucket& bucket : beyond.probed) bucket.dirty = true;
  std::ranges::move(beyond.probed, std::back_inserter(chain.probed));
  chain.found = chain.found || beyond.found;
  chain.cut = chain.cut || beyond.cut;
  return chain;
}

std::vector<TableCensus> SyncMap::census(const base::Epoch::Guard&) const {
  std::vector<TableCensus> parts;
  parts.reserve(kParts);
  for (const Part& part : parts_) {
    TableCensus census{.shard = static_cast<std::uint32_t>(parts.size())};
    read_table(part).count(placement_, census);
    dirty_table(part).count(placement_, census);
    const std::uint64_t slots = part.slots.load(std::memory_order_relaxed);
    census.tombstones = slots - std::min(slots, census.entries);
    parts.push_back(census);
  }
  return parts;
}

}  // namespace podkeeper::cmap
