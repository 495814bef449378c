#include "pkg/cmap/sharded_map.h"

#include "pkg/base/panic.h"

#include <bit>
#include <memory>
#include <string>

namespace podkeeper::cmap {
namespace {

unsigned checked_log2(std::size_t shards) {
  PK_CHECK(std::has_single_bit(shards) && shards <= ShardLocks::kShardsMax,
           "a map of " + std::to_string(shards) + " shards: needs a power of two up to " +
               std::to_string(ShardLocks::kShardsMax));
  return static_cast<unsigned>(std::countr_zero(shards));
}

}  // namespace

ShardLocks::ShardLocks(std::size_t shards)
    : log2_(checked_log2(shards)), shards_(std::make_unique<Shard[]>(shards)) {}

}  // namespace podkeeper::cmap
