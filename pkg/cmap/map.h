#pragma once

#include "pkg/base/epoch.h"
#include "pkg/base/ref.h"
#include "pkg/cmap/record.h"
#include "pkg/cmap/strategy.h"

#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

namespace podkeeper::cmap {

/// A concurrent map of immutable V (derived from Record) whose strategy is chosen when it is made.
/// Any thread may call anything. The rules are those of ConcurrentMap (strategy.h).
template <std::derived_from<Record> V>
class Map {
 public:
  explicit Map(const MapOptions& options = {}) : impl_(detail::make_map(options)) {}

  const V* find(const base::Epoch::Guard& guard, const Key& key) const {
    return static_cast<const V*>(impl_->find(guard, key));
  }
  /// found[i] = find(keys[i]) for each key, each as of its own moment. `found` must be as long as
  /// `keys`. Table strategies fetch 16 keys' buckets, then their records, before they compare, so
  /// that the cache misses overlap: worth it from about four keys on.
  void find_many(const base::Epoch::Guard& guard, std::span<const Key> keys,
                 std::span<const Record*> found) const {
    impl_->find_many(guard, keys, found);
  }
  bool put(base::Ref<const V> record) { return impl_->put(std::move(record)); }
  bool erase(const Key& key) { return impl_->erase(key); }
  bool compare_and_put(const base::Epoch::Guard& guard, const V* expected,
                       base::Ref<const V> record) {
    return impl_->compare_and_put(guard, expected, std::move(record));
  }
  bool compare_and_erase(const base::Epoch::Guard& guard, const Key& key, const V* expected) {
    return impl_->compare_and_erase(guard, key, expected);
  }
  template <class F>
  void for_each(const base::Epoch::Guard& guard, F&& visit) const {
    impl_->for_each(guard, [&](const Record& r) { visit(static_cast<const V&>(r)); });
  }
  [[nodiscard]] std::size_t size() const { return impl_->size(); }
  [[nodiscard]] MapStats stats() const { return impl_->stats(); }

 private:
  std::unique_ptr<detail::AnyMap> impl_;
};

}  // namespace podkeeper::cmap
