// How CopyOnWrite is read other than key by key: many keys at once, whole, stretch by stretch, and
// for show.
#include "pkg/cmap/bulk_find.h"
#include "pkg/cmap/copy_on_write_map.h"
#include "pkg/cmap/counted_lock.h"
#include "pkg/cmap/inspect_buckets.h"
#include "pkg/cmap/write.h"

namespace podkeeper::cmap {
namespace {

/// The bits of the hash that choose a segment of that depth.
std::uint32_t prefix_of(std::uint64_t hash, const VersionedSegment& segment) noexcept {
  return static_cast<std::uint32_t>(VersionedDirectory::index(hash, segment.depth));
}

/// The last hash that the segment serves, which serves `hash`.
std::uint64_t last_of(std::uint64_t hash, const VersionedSegment& segment) noexcept {
  return hash | (~std::uint64_t{0} >> segment.depth);
}

}  // namespace

/// The segments, as find_group() asks them.
struct CopyOnWriteMap::Lookup {
  const CopyOnWriteMap& map;
  const base::Epoch::Guard& guard;

  void prefetch_bucket(const Key& key) const {
    const std::uint64_t hash = map.placement_(key);
    const Buckets all = VersionedSegment::buckets(map.word_of(hash));
    all.prefetch_bucket(VersionedSegment::home(all, hash));
  }
  void prefetch_record(const Key& key) const {
    const std::uint64_t hash = map.placement_(key);
    const Buckets all = VersionedSegment::buckets(map.word_of(hash));
    all.prefetch_record(VersionedSegment::home(all, hash), hash);
  }
  [[nodiscard]] const Record* find(const Key& key) const { return map.find(guard, key); }
};

void CopyOnWriteMap::find_many(const base::Epoch::Guard& guard, std::span<const Key> keys,
                               std::span<const Record*> found) const {
  const Lookup lookup{*this, guard};
  for_each_group(keys, found, [&](std::span<const Key> some, std::span<const Record*> into) {
    find_group(some, into, lookup);
  });
}

void CopyOnWriteMap::for_each(const base::Epoch::Guard&,
                              const std::function<void(const Record&)>& visit) const {
  snapshot().for_each(visit);
}

std::optional<std::uint64_t> CopyOnWriteMap::for_each_from(
    const base::Epoch::Guard&, std::uint64_t position,
    const std::function<void(const Record&)>& visit) const {
  std::vector<const Record*> batch;
  return walk_stretch(position, visit, batch,
                      [this](auto* at, auto* out) { return collect(at, out); });
}

bool CopyOnWriteMap::collect(std::optional<std::uint64_t>* position,
                             std::vector<const Record*>* out) const {
  const std::uint64_t from = position->value();
  out->clear();
  CountedLock lock(mutex_, counters_);
  return flag_.read([&] {
    const VersionedSegment& segment = segment_of(from);
    if (out->capacity() < segment.entries) return false;
    // The segment may have begun before the position since the step before: two became one.
    VersionedSegment::each(segment.word(), [&](const Record& record) {
      if (placement_(record.key()) >= from) out->push_back(&record);
    });
    const std::uint64_t last = last_of(from, segment);
    *position = last == ~std::uint64_t{0} ? std::nullopt : std::optional(last + 1);
    return true;
  });
}

Position CopyOnWriteMap::position_of(const Key& key) const {
  const base::Epoch::Guard guard;
  const std::uint64_t hash = placement_(key);
  const std::uintptr_t word = word_of(hash);
  const Buckets all = VersionedSegment::buckets(word);
  return {.shard = prefix_of(hash, *VersionedSegment::of(word)),
          .bucket = static_cast<std::uint32_t>(VersionedSegment::home(all, hash))};
}

ProbeChain CopyOnWriteMap::describe(const base::Epoch::Guard&, const Key& key) const {
  if (key.text.empty() && placement_.by_text()) return {};
  const std::uint64_t hash = placement_(key);
  const std::uintptr_t word = word_of(hash);
  const VersionedSegment& segment = *VersionedSegment::of(word);
  ProbeChain chain{.home = {.shard = prefix_of(hash, segment)},
                   .tables = std::uint64_t{1} << segment.depth};
  const Buckets all = VersionedSegment::buckets(word);
  describe_buckets(all, VersionedSegment::home(all, hash), hash, key, chain);
  return chain;
}

std::vector<TableCensus> CopyOnWriteMap::census(const base::Epoch::Guard&) const {
  std::vector<TableCensus> segments;
  std::uint64_t hash = 0;
  do {
    const std::uintptr_t word = word_of(hash);
    const VersionedSegment& segment = *VersionedSegment::of(word);
    TableCensus census{.shard = prefix_of(hash, segment)};
    VersionedSegment::count(word, placement_, census);
    segments.push_back(census);
    hash = last_of(hash, segment) + 1;  // 0 after the last
  } while (hash != 0);
  return segments;
}

}  // namespace podkeeper::cmap
