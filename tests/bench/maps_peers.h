#pragma once

#include <urcu/urcu-memb.h>
// After a flavour of urcu, which its macros need.
#include "pkg/base/epoch.h"
#include "pkg/base/ref.h"
#include "pkg/cmap/map.h"
#include "pkg/cmap/record.h"

#include <boost/unordered/unordered_flat_map.hpp>

#include <absl/container/flat_hash_map.h>
#include <absl/synchronization/mutex.h>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <libcuckoo/cuckoohash_map.hh>
#include <memory>
#include <mutex>
#include <oneapi/tbb/concurrent_hash_map.h>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <urcu/rculfhash.h>
#include <utility>

/// The maps that are measured, each in the way its makers would use it for this job: a value that a
/// reader may keep, one hash a call (the same for all) carried into the container, no second
/// lookup. Each has find (a number out of the value), put and erase of a hashed key, and enter()
/// and leave() for a thread's begin and end.
namespace podkeeper::bench {

using cmap::Key;

/// What the peers hold: as large as our record without the key, which they keep themselves.
struct Value {
  explicit Value(std::uint64_t number_) : number(number_) {}
  std::uint64_t number;
  std::array<std::uint64_t, 4> other{};
};

/// A key that a container owns, with its hash beside it, so that no container hashes text twice.
struct OwnedKey {
  explicit OwnedKey(const Key& key) : text(key.text), hash(key.hash) {}
  std::string text;
  std::uint64_t hash;
};
struct KeyHash {
  using is_transparent = void;
  using is_avalanching = void;
  std::size_t operator()(const OwnedKey& key) const noexcept { return key.hash; }
  std::size_t operator()(const Key& key) const noexcept { return key.hash; }
};
struct KeyEqual {
  using is_transparent = void;
  static const std::string_view view(const Key& key) { return key.text; }
  static const std::string_view view(const OwnedKey& key) { return key.text; }
  template <class A, class B>
  bool operator()(const A& a, const B& b) const noexcept {
    return a.hash == b.hash && view(a) == view(b);
  }
};

struct NoThreads {
  static void enter() {}
  static void leave() {}
};

/// 256 shards of a single-threaded Table, each behind a lock on its own cache line; values
/// shared_ptr, copied out under the lock.
template <class Table, class Lock, class ReadGuard, class WriteGuard>
class ShardedPeer : public NoThreads {
 public:
  std::uint64_t find(const Key& key) {
    Shard& shard = shard_of(key);
    std::shared_ptr<const Value> value;
    {
      ReadGuard guard(shard.lock);
      const auto at = shard.table.find(key);
      if (at == shard.table.end()) return 0;
      value = at->second;
    }
    return value->number;
  }
  void put(const Key& key, std::uint64_t number) {
    Shard& shard = shard_of(key);
    auto value = std::make_shared<const Value>(number);
    WriteGuard guard(shard.lock);
    const auto at = shard.table.find(key);
    if (at != shard.table.end()) {
      at->second.swap(value);
    } else {
      shard.table.emplace(OwnedKey(key), std::move(value));
    }
  }
  void erase(const Key& key) {
    Shard& shard = shard_of(key);
    WriteGuard guard(shard.lock);
    const auto at = shard.table.find(key);
    if (at != shard.table.end()) shard.table.erase(at);
  }
  /// Shows every value's number, a shard under its lock at a time.
  template <class F>
  void each(F&& visit) {
    for (std::size_t i = 0; i < 256; ++i) {
      ReadGuard guard(shards_[i].lock);
      for (const auto& [key, value] : shards_[i].table) visit(value->number);
    }
  }

 private:
  struct alignas(64) Shard {
    Lock lock;
    Table table;
  };
  /// By bits in the middle: Boost's table takes its positions from the top ones, Abseil's from the
  /// low ones, and keys of one shard that agree in those would all meet.
  Shard& shard_of(const Key& key) { return shards_[(key.hash >> 40) & 255]; }
  std::unique_ptr<Shard[]> shards_ = std::make_unique<Shard[]>(256);
};

template <template <class...> class Map>
using TableOf = Map<OwnedKey, std::shared_ptr<const Value>, KeyHash, KeyEqual>;

struct AbslReadGuard : absl::ReaderMutexLock {
  explicit AbslReadGuard(absl::Mutex& mutex) : absl::ReaderMutexLock(&mutex) {}
};
struct AbslWriteGuard : absl::MutexLock {
  explicit AbslWriteGuard(absl::Mutex& mutex) : absl::MutexLock(&mutex) {}
};

using StdShards =
    ShardedPeer<TableOf<std::unordered_map>, std::shared_mutex, std::shared_lock<std::shared_mutex>,
                std::unique_lock<std::shared_mutex>>;
using AbslShards =
    ShardedPeer<TableOf<absl::flat_hash_map>, absl::Mutex, AbslReadGuard, AbslWriteGuard>;
using BoostShards = ShardedPeer<TableOf<boost::unordered_flat_map>, std::mutex,
                                std::unique_lock<std::mutex>, std::unique_lock<std::mutex>>;

/// TBB's concurrent_hash_map, with keys that are a view while they are looked for and owned once
/// they are in.
class Tbb : public NoThreads {
 public:
  std::uint64_t find(const Key& key) {
    std::shared_ptr<const Value> value;
    {
      Table::const_accessor at;
      if (!table_.find(at, key)) return 0;
      value = at->second;
    }
    return value->number;
  }
  void put(const Key& key, std::uint64_t number) {
    auto value = std::make_shared<const Value>(number);
    Table::accessor at;
    table_.insert(at, key);
    at->second.swap(value);
  }
  void erase(const Key& key) { table_.erase(key); }

 private:
  struct Compare : KeyEqual {
    template <class K>
    static std::size_t hash(const K& key) {
      return key.hash;
    }
    template <class A, class B>
    static bool equal(const A& a, const B& b) {
      return KeyEqual()(a, b);
    }
    using is_transparent = void;
  };
  using Table = oneapi::tbb::concurrent_hash_map<OwnedKey, std::shared_ptr<const Value>, Compare>;
  Table table_;
};

using CuckooTable =
    libcuckoo::cuckoohash_map<OwnedKey, std::shared_ptr<const Value>, KeyHash, KeyEqual>;

/// libcuckoo's map: two buckets a key, a spinlock a bucket that readers take, too.
class Cuckoo : public NoThreads {
 public:
  std::uint64_t find(const Key& key) {
    std::shared_ptr<const Value> value;
    table_.find_fn(key, [&value](const auto& found) { value = found; });
    return value == nullptr ? 0 : value->number;
  }
  void put(const Key& key, std::uint64_t number) {
    auto value = std::make_shared<const Value>(number);
    table_.upsert(key, [&value](auto& held) { held.swap(value); }, value);
  }
  void erase(const Key& key) { table_.erase(key); }

 private:
  CuckooTable table_;
};

/// liburcu's lock-free hash table: readers in an RCU section, one node an entry, nodes reclaimed by
/// call_rcu.
class Lfht {
 public:
  /// With its buckets made for `keys` at once: growing by itself, it lags behind.
  explicit Lfht(std::size_t keys)
      : table_(cds_lfht_new_flavor(std::bit_ceil(keys), std::bit_ceil(keys), 0, 0,
                                   &urcu_memb_flavor, nullptr)) {}
  Lfht(const Lfht&) = delete;
  Lfht& operator=(const Lfht&) = delete;
  // The table lives as long as the process: emptying it would be the longest part of the run.

  static void enter() { urcu_memb_register_thread(); }
  static void leave() { urcu_memb_unregister_thread(); }

  std::uint64_t find(const Key& key) {
    urcu_memb_read_lock();
    cds_lfht_iter at;
    cds_lfht_lookup(table_, key.hash, match, &key, &at);
    const cds_lfht_node* found = cds_lfht_iter_get_node(&at);
    const std::uint64_t number = found == nullptr ? 0 : of(found)->value.number;
    urcu_memb_read_unlock();
    return number;
  }
  void put(const Key& key, std::uint64_t number) {
    auto* node = new Node(key, number);
    urcu_memb_read_lock();
    cds_lfht_node* before = cds_lfht_add_replace(table_, key.hash, match, &key, &node->node);
    urcu_memb_read_unlock();
    if (before != nullptr) reclaim(before);
  }
  void erase(const Key& key) {
    urcu_memb_read_lock();
    cds_lfht_iter at;
    cds_lfht_lookup(table_, key.hash, match, &key, &at);
    cds_lfht_node* found = cds_lfht_iter_get_node(&at);
    const bool mine = found != nullptr && cds_lfht_del(table_, found) == 0;
    urcu_memb_read_unlock();
    if (mine) reclaim(found);
  }

 private:
  struct Node {
    Node(const Key& key_, std::uint64_t number) : key(key_), value(number) {
      cds_lfht_node_init(&node);
    }
    cds_lfht_node node{};  ///< first, so that its address is the Node's
    rcu_head head{};
    OwnedKey key;
    Value value;
  };
  static const Node* of(const cds_lfht_node* node) { return reinterpret_cast<const Node*>(node); }
  static int match(cds_lfht_node* node, const void* key) {
    return KeyEqual()(of(node)->key, *static_cast<const Key*>(key)) ? 1 : 0;
  }
  static void reclaim(cds_lfht_node* node) {
    auto* mine = reinterpret_cast<Node*>(node);
    urcu_memb_call_rcu(&mine->head, [](rcu_head* head) {
      delete reinterpret_cast<Node*>(reinterpret_cast<char*>(head) - sizeof(cds_lfht_node));
    });
  }

  cds_lfht* table_;
};

/// Our record with the key's bytes behind it, as the store's are.
class BenchRecord final : public cmap::Record {
 public:
  static base::Tail tail_for(const Key& key, std::uint64_t /*number*/) { return {key.text.size()}; }
  BenchRecord(base::Tail tail, const Key& key, std::uint64_t number) : number_(number) {
    char* const behind = reinterpret_cast<char*>(this + 1);
    key.text.copy(behind, key.text.size());
    set_key({{behind, key.text.size()}, key.hash},
            base::Slabs::block_bytes(sizeof(BenchRecord) + tail.bytes));
  }
  [[nodiscard]] std::uint64_t number() const { return number_; }

 private:
  std::uint64_t number_;
};

/// Our map: a guard per find, a record per put, through the handle as the store uses it.
template <cmap::Strategy kStrategy>
class Ours : public NoThreads {
 public:
  std::uint64_t find(const Key& key) {
    const base::Epoch::Guard guard;
    const BenchRecord* found = map_.find(guard, key);
    return found == nullptr ? 0 : found->number();
  }
  void put(const Key& key, std::uint64_t number) {
    map_.put(base::make_ref<const BenchRecord>(key, number));
  }
  void erase(const Key& key) { map_.erase(key); }
  template <class F>
  void each(F&& visit) {
    map_.for_each(base::Epoch::Guard(), [&visit](const BenchRecord& r) { visit(r.number()); });
  }
  [[nodiscard]] cmap::MapStats stats() const { return map_.stats(); }

 private:
  cmap::Map<BenchRecord> map_{cmap::MapOptions{.strategy = kStrategy}};
};

}  // namespace podkeeper::bench
