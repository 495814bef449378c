#include "pkg/cmap/strategy.h"

#include "pkg/base/panic.h"
#include "pkg/cmap/copy_on_write_map.h"
#include "pkg/cmap/lock_free_map.h"
#include "pkg/cmap/mutex_map.h"
#include "pkg/cmap/rw_mutex_map.h"
#include "pkg/cmap/sharded_map.h"
#include "pkg/cmap/sync_map.h"

#include <cstddef>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::cmap {
namespace {

void check_lengths(std::span<const Key> keys, std::span<const Record*> found) {
  PK_CHECK(keys.size() == found.size(), "find_many of " + std::to_string(keys.size()) +
                                            " keys into " + std::to_string(found.size()) +
                                            " places");
}

/// Puts a strategy behind the handle's entry points; the strategy's own calls are inlined here.
template <ConcurrentMap M>
class Entry final : public detail::AnyMap {
 public:
  template <class... Args>
  explicit Entry(Args&&... args) : map_(std::forward<Args>(args)...) {
    if constexpr (requires { find_in(map_.table()); }) find_in(map_.table());
  }

  void find_many(const base::Epoch::Guard& guard, std::span<const Key> keys,
                 std::span<const Record*> found) const override {
    check_lengths(keys, found);
    map_.find_many(guard, keys, found);
  }
  bool put(base::Ref<const Record> record) override { return map_.put(std::move(record)); }
  bool erase(const Key& key) override { return map_.erase(key); }
  bool compare_and_put(const base::Epoch::Guard& guard, const Record* expected,
                       base::Ref<const Record> record) override {
    return map_.compare_and_put(guard, expected, std::move(record));
  }
  bool compare_and_erase(const base::Epoch::Guard& guard, const Key& key,
                         const Record* expected) override {
    return map_.compare_and_erase(guard, key, expected);
  }
  void for_each(const base::Epoch::Guard& guard,
                const std::function<void(const Record&)>& visit) const override {
    map_.for_each(guard, visit);
  }
  std::optional<std::uint64_t> for_each_from(
      const base::Epoch::Guard& guard, std::uint64_t position,
      const std::function<void(const Record&)>& visit) const override {
    return map_.for_each_from(guard, position, visit);
  }
  void find_settled(const base::Epoch::Guard& guard, std::span<const Key> keys,
                    std::span<const Record*> found) const override {
    check_lengths(keys, found);
    if constexpr (SettledAccess<M>) {
      map_.find_settled(guard, keys, found);
    } else {
      map_.find_many(guard, keys, found);
    }
  }
  std::optional<std::uint64_t> for_each_settled_from(
      const base::Epoch::Guard& guard, std::uint64_t position,
      const std::function<void(const Record&)>& visit) const override {
    if constexpr (SettledAccess<M>) {
      return map_.for_each_settled_from(guard, position, visit);
    } else {
      return map_.for_each_from(guard, position, visit);
    }
  }
  void put_absent(const base::Epoch::Guard& guard,
                  std::span<const Record* const> records) override {
    if constexpr (SettledAccess<M>) {
      map_.put_absent(guard, records);
    } else {
      for (const Record* record : records) {
        map_.compare_and_put(guard, nullptr, base::Ref<const Record>(record));
      }
    }
  }
  std::optional<std::uint64_t> clear_from(std::uint64_t position, std::size_t* dropped) override {
    if constexpr (Clearable<M>) {
      return map_.clear_from(position, dropped);
    } else {
      return map_.for_each_from(base::Epoch::Guard(), position, [&](const Record& record) {
        map_.erase(record.key());
        ++*dropped;
      });
    }
  }
  void reserve(std::size_t entries) override {
    if constexpr (SettledAccess<M>) map_.reserve(entries);
  }
  [[nodiscard]] std::size_t size() const override { return map_.size(); }
  [[nodiscard]] MapStats stats() const override { return map_.stats(); }

  [[nodiscard]] Position position_of(const Key& key) const override {
    return map_.position_of(key);
  }
  [[nodiscard]] ProbeChain describe(const base::Epoch::Guard& guard,
                                    const Key& key) const override {
    return map_.describe(guard, key);
  }
  [[nodiscard]] std::vector<TableCensus> census(const base::Epoch::Guard& guard) const override {
    return map_.census(guard);
  }

 private:
  const Record* find_elsewhere(const base::Epoch::Guard& guard, const Key& key) const override {
    return map_.find(guard, key);
  }

  M map_;
};

}  // namespace

const char* to_string(Strategy strategy) noexcept {
  switch (strategy) {
    case Strategy::kMutex:
      return "Mutex";
    case Strategy::kRWMutex:
      return "RWMutex";
    case Strategy::kSharded:
      return "Sharded";
    case Strategy::kLockFree:
      return "LockFree";
    case Strategy::kSyncMap:
      return "SyncMap";
    case Strategy::kCopyOnWrite:
      return "CopyOnWrite";
  }
  return "unknown";
}

const char* to_string(MigrationPhase phase) noexcept {
  switch (phase) {
    case MigrationPhase::kNone:
      return "None";
    case MigrationPhase::kAnnounced:
      return "Announced";
    case MigrationPhase::kCopying:
      return "Copying";
    case MigrationPhase::kRetiring:
      return "Retiring";
  }
  return "unknown";
}

const char* to_string(Hash hash) noexcept { return hash == Hash::kXXH3 ? "XXH3" : "FNV1a"; }

std::unique_ptr<detail::AnyMap> detail::make_map(const MapOptions& options) {
  switch (options.strategy) {
    case Strategy::kMutex:
      return std::make_unique<Entry<MutexMap>>(options.hash);
    case Strategy::kRWMutex:
      return std::make_unique<Entry<RWMutexMap>>(options.hash);
    case Strategy::kSharded:
      return std::make_unique<Entry<ShardedMap>>(options.shards, options.hash);
    case Strategy::kLockFree:
      return std::make_unique<Entry<LockFreeMap>>(SegmentLocks(), options.hash);
    case Strategy::kSyncMap:
      return std::make_unique<Entry<SyncMap>>(options.hash);
    case Strategy::kCopyOnWrite:
      return std::make_unique<Entry<CopyOnWriteMap>>(options.hash);
  }
  base::detail::check_failed("strategy", "a map of a strategy that is not built",
                             std::source_location::current());
}

}  // namespace podkeeper::cmap
