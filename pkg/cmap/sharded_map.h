#pragma once

#include "pkg/base/mutex.h"
#include "pkg/cmap/counted_lock.h"
#include "pkg/cmap/counters.h"
#include "pkg/cmap/split_map.h"
#include "pkg/cmap/split_table.h"
#include "pkg/cmap/strategy.h"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace podkeeper::cmap {

/// One lock for all keys whose hashes agree in the top bits.
class ShardLocks {
 public:
  static constexpr Strategy kStrategy = Strategy::kSharded;
  static constexpr SplitTable::Locks kLocks = SplitTable::Locks::kOwner;
  static constexpr std::size_t kShardsMax = 65536;

  /// `shards` is a power of two, 1..kShardsMax, else it panics.
  explicit ShardLocks(std::size_t shards);

  [[nodiscard]] unsigned depth() const noexcept { return log2_; }
  /// Up to 16 segments of a shard, about 4000 keys, are found without another step.
  [[nodiscard]] unsigned root_bits() const noexcept { return log2_ + 4; }
  [[nodiscard]] std::size_t shards() const noexcept { return std::size_t{1} << log2_; }

  template <class Body>
  auto with(const SplitTable& table, std::uint64_t hash, Counters& counters, Body&& body) const {
    CountedLock lock(shards_[(hash >> 1) >> (63 - log2_)].mutex, counters);
    return body(table.segment_for(hash));
  }

 private:
  struct alignas(64) Shard {
    base::Mutex mutex;
  };
  static_assert(sizeof(Shard) == 64, "a writer of one shard must not disturb another's");

  unsigned log2_;
  std::unique_ptr<Shard[]> shards_;
};

/// Strategy Sharded, the default: the top bits of the hash choose one of `shards` mutexes, and
/// writers under one mutex wait for each other. Readers take no lock and never wait. A shard is a
/// set of small segments, so a put pays at most for one of them (see SplitTable), however large the
/// shard.
class ShardedMap : public SplitMap<ShardLocks> {
 public:
  /// `shards` is a power of two, 1..ShardLocks::kShardsMax, else it panics.
  explicit ShardedMap(std::size_t shards, Hash hash = Hash::kXXH3)
      : SplitMap(ShardLocks(shards), hash) {}
};
static_assert(ConcurrentMap<ShardedMap>);

}  // namespace podkeeper::cmap
