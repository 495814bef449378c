#pragma once

#include "pkg/base/epoch.h"
#include "pkg/base/lifetime.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/cmap/inspect.h"
#include "pkg/cmap/migration.h"
#include "pkg/cmap/observed.h"
#include "pkg/cmap/record.h"
#include "pkg/cmap/strategy.h"
#include "pkg/cmap/switched_map.h"
#include "pkg/cmap/write_flag.h"

#include <concepts>
#include <cstddef>
#include <source_location>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::cmap {

/// A concurrent map of immutable V (derived from Record) whose strategy is chosen when it is made
/// and can be changed in use. Any thread may call anything. The rules are those of ConcurrentMap
/// (strategy.h). It is no value: it can be neither copied nor moved, so nobody works on a second
/// one by accident. Use before it is made or after it is gone panics as misuse, as far as its
/// memory still tells.
template <std::derived_from<Record> V>
class Map final : public Observed {
 public:
  /// `partition` is the name that tracers are told; see probes.h.
  explicit Map(const MapOptions& options = {}, std::string partition = {})
      : Observed(std::move(partition)), impl_(options, Observed::partition().c_str()) {}

  [[gnu::always_inline]] const V* find(const base::Epoch::Guard& guard PK_LIFETIME_BOUND,
                                       const Key& key) const {
    life_.expect_alive();
    return static_cast<const V*>(
        observe(Operation::kFind, key, nullptr, [&] { return impl_.find(guard, key); }));
  }
  /// found[i] = find(keys[i]) for each key, each as of its own moment. `found` must be as long as
  /// `keys`. Every strategy fetches 16 keys' buckets, then their records, before it compares, so
  /// that the cache misses overlap: worth it from about four keys on.
  void find_many(const base::Epoch::Guard& guard, std::span<const Key> keys,
                 std::span<const Record*> found) const {
    life_.expect_alive();
    impl_.find_many(guard, keys, found);
    observe_finds(keys, found);
  }
  bool put(base::Ref<const V> record,
           std::source_location where = std::source_location::current()) {
    enter(where);
    const V* owner = record.get();
    return observe(Operation::kPut, owner->key(), owner,
                   [&] { return impl_.put(std::move(record)); });
  }
  bool erase(const Key& key, std::source_location where = std::source_location::current()) {
    enter(where);
    return observe(Operation::kErase, key, nullptr, [&] { return impl_.erase(key); });
  }
  bool compare_and_put(const base::Epoch::Guard& guard, const V* expected,
                       base::Ref<const V> record,
                       std::source_location where = std::source_location::current()) {
    enter(where);
    const V* owner = record.get();
    return observe(Operation::kCompareAndPut, owner->key(), owner,
                   [&] { return impl_.compare_and_put(guard, expected, std::move(record)); });
  }
  bool compare_and_erase(const base::Epoch::Guard& guard, const Key& key, const V* expected,
                         std::source_location where = std::source_location::current()) {
    enter(where);
    return observe(Operation::kCompareAndErase, key, nullptr,
                   [&] { return impl_.compare_and_erase(guard, key, expected); });
  }
  template <class F>
  void for_each(const base::Epoch::Guard& guard, F&& visit,
                std::source_location where = std::source_location::current()) const {
    enter(where);
    observe(Operation::kIterate, Key{}, nullptr, [&] {
      impl_.for_each(guard, [&](const Record& r) { visit(static_cast<const V&>(r)); });
      return true;
    });
  }
  [[nodiscard]] std::size_t size() const { return impl_.size(); }
  [[nodiscard]] MapStats stats() const override { return impl_.stats(); }
  [[nodiscard]] Strategy strategy() const noexcept override { return impl_.strategy(); }

  /// Begins to change the strategy, which the caller drives; see Migration.
  [[nodiscard]] base::Result<Migration> migrate(const MapOptions& to) { return impl_.migrate(to); }
  /// The same map without the type and its observers.
  [[nodiscard]] SwitchedMap& untyped() noexcept { return impl_; }

  [[nodiscard]] Position position_of(const Key& key) const override {
    return impl_.position_of(key);
  }

  [[nodiscard]] ProbeChain describe(const Key& key) const override {
    const base::Epoch::Guard guard;
    return impl_.describe(guard, key);
  }
  [[nodiscard]] std::vector<TableCensus> census() const override {
    const base::Epoch::Guard guard;
    return impl_.census(guard);
  }

 private:
  /// Before an operation that may be misuse: there is a map, and where it was called.
  void enter(std::source_location where) const {
    Caller::mine().at(where);
    life_.expect_alive();
  }

  WriteFlag life_;
  SwitchedMap impl_;
};

}  // namespace podkeeper::cmap
