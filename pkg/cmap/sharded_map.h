#pragma once

#include "pkg/base/epoch.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/cmap/counters.h"
#include "pkg/cmap/flat_table.h"
#include "pkg/cmap/record.h"
#include "pkg/cmap/strategy.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

namespace podkeeper::cmap {

/// Strategy Sharded, the default: the top bits of the hash choose one of `shards` tables, each with
/// its own mutex for writers. Readers take no lock, write nothing shared and never wait: not for a
/// writer, not for a growth, not for a scan. Writers of one shard wait for each other; a growth
/// holds its shard's writers for O(entries of the shard).
///
/// for_each() holds a shard's mutex while it collects one stretch (a few hundred pointers), and
/// sees each stretch as of one moment.
class ShardedMap {
 public:
  /// `shards` is a power of two, 1..kShardsMax, else it panics.
  explicit ShardedMap(std::size_t shards, Hash hash = Hash::kXXH3);

  const Record* find(const base::Epoch::Guard&, const Key& key) const {
    counters_.add(Counters::kFinds);
    return shard_of(key).table.find(key);
  }
  void find_many(const base::Epoch::Guard& guard, std::span<const Key> keys,
                 std::span<const Record*> found) const;
  bool put(base::Ref<const Record> record);
  bool erase(const Key& key);
  bool compare_and_put(const base::Epoch::Guard& guard, const Record* expected,
                       base::Ref<const Record> record);
  bool compare_and_erase(const base::Epoch::Guard& guard, const Key& key, const Record* expected);
  void for_each(const base::Epoch::Guard& guard,
                const std::function<void(const Record&)>& visit) const;
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] MapStats stats() const;

  static constexpr std::size_t kShardsMax = 65536;

 private:
  /// Two cache lines: what readers load, and what writers write.
  struct alignas(64) Shard {
    FlatTable table;  ///< find() without the mutex; everything else under it
    alignas(64) base::Mutex mutex;
  };
  static_assert(alignof(Shard) == 64 && sizeof(Shard) == 128,
                "a writer of one shard must not disturb the readers of any");

  [[nodiscard]] Shard& shard_of(const Key& key) const noexcept {
    return shards_[(placement_(key) >> 1) >> (63 - log2_)];
  }
  [[nodiscard]] std::span<Shard> all() const noexcept {
    return {shards_.get(), std::size_t{1} << log2_};
  }
  auto applier(Shard& shard);

  mutable Counters counters_;
  const unsigned log2_;
  const Placement placement_;
  const std::unique_ptr<Shard[]> shards_;
};
static_assert(ConcurrentMap<ShardedMap>);

}  // namespace podkeeper::cmap
