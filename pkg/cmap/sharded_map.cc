#include "pkg/cmap/sharded_map.h"

#include "pkg/base/panic.h"
#include "pkg/cmap/bulk_find.h"
#include "pkg/cmap/write.h"

#include <bit>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::cmap {
namespace {

/// base::Lock, and counts when it had to wait.
class PK_SCOPED_CAPABILITY ShardLock {
 public:
  ShardLock(base::Mutex& mutex, Counters& counters) PK_ACQUIRE(mutex) : mutex_(mutex) {
    if (mutex_.try_lock()) return;
    counters.add(Counters::kContended);
    mutex_.lock();
  }
  ~ShardLock() PK_RELEASE() { mutex_.unlock(); }
  ShardLock(const ShardLock&) = delete;
  ShardLock& operator=(const ShardLock&) = delete;

 private:
  base::Mutex& mutex_;
};

unsigned checked_log2(std::size_t shards) {
  PK_CHECK(std::has_single_bit(shards) && shards <= ShardedMap::kShardsMax,
           "a map of " + std::to_string(shards) + " shards: needs a power of two up to " +
               std::to_string(ShardedMap::kShardsMax));
  return static_cast<unsigned>(std::countr_zero(shards));
}

}  // namespace

ShardedMap::ShardedMap(std::size_t shards, Hash hash)
    : log2_(checked_log2(shards)), placement_(hash), shards_(std::make_unique<Shard[]>(shards)) {
  for (Shard& shard : all()) shard.table.serve_shard(log2_, hash);
}

auto ShardedMap::applier(Shard& shard) {
  return [this, &shard](const FlatTable::Write& write, FlatTable::Storage& spare) {
    ShardLock lock(shard.mutex, counters_);
    return shard.table.apply(write, spare);
  };
}

void ShardedMap::find_many(const base::Epoch::Guard&, std::span<const Key> keys,
                           std::span<const Record*> found) const {
  counters_.add(Counters::kFinds, keys.size());
  for_each_group(keys, found, [this](std::span<const Key> some, std::span<const Record*> into) {
    find_group(some, into,
               [this](const Key& key) -> const FlatTable& { return shard_of(key).table; });
  });
}

bool ShardedMap::put(base::Ref<const Record> record) {
  counters_.add(Counters::kPuts);
  auto apply = applier(shard_of(record->key()));
  return commit_put(std::move(record), false, nullptr, counters_, apply).before == nullptr;
}

bool ShardedMap::erase(const Key& key) {
  counters_.add(Counters::kErases);
  return commit({.key = key}, counters_, applier(shard_of(key))).outcome ==
         FlatTable::Outcome::kDone;
}

bool ShardedMap::compare_and_put(const base::Epoch::Guard&, const Record* expected,
                                 base::Ref<const Record> record) {
  counters_.add(Counters::kPuts);
  auto apply = applier(shard_of(record->key()));
  return commit_put(std::move(record), true, expected, counters_, apply).outcome ==
         FlatTable::Outcome::kDone;
}

bool ShardedMap::compare_and_erase(const base::Epoch::Guard&, const Key& key,
                                   const Record* expected) {
  counters_.add(Counters::kErases);
  const auto write = FlatTable::Write{.key = key, .conditional = true, .expected = expected};
  return commit(write, counters_, applier(shard_of(key))).outcome == FlatTable::Outcome::kDone;
}

void ShardedMap::for_each(const base::Epoch::Guard&,
                          const std::function<void(const Record&)>& visit) const {
  counters_.add(Counters::kScans);
  std::vector<const Record*> batch;
  for (Shard& shard : all()) {
    walk(visit, batch, [this, &shard](auto* position, auto* out) {
      ShardLock lock(shard.mutex, counters_);
      return shard.table.collect(position, out);
    });
  }
}

std::size_t ShardedMap::size() const {
  std::size_t sum = 0;
  for (const Shard& shard : all()) sum += shard.table.size();
  return sum;
}

MapStats ShardedMap::stats() const {
  auto stats = MapStats{.strategy = Strategy::kSharded, .shards = all().size()};
  const base::Epoch::Guard guard;
  for (const Shard& shard : all()) {
    stats.entries += shard.table.size();
    stats.table_bytes += shard.table.bytes();
  }
  counters_.report(stats);
  return stats;
}

}  // namespace podkeeper::cmap
