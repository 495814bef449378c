#pragma once

#include "pkg/cmap/strategy.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace podkeeper::cmap::testing {

/// Hands every call on to a map that is right: what a test's map derives from, to change one thing.
/// M is an AnyMap or has its functions; it must outlive this.
template <class M = detail::AnyMap>
class ForwardingMap : public detail::AnyMap {
 public:
  explicit ForwardingMap(M& right) : right_(right) {}

  const Record* find_elsewhere(const base::Epoch::Guard& guard, const Key& key) const override {
    return right_.find(guard, key);
  }
  void find_many(const base::Epoch::Guard& guard, std::span<const Key> keys,
                 std::span<const Record*> found) const override {
    right_.find_many(guard, keys, found);
  }
  bool put(base::Ref<const Record> record) override { return right_.put(std::move(record)); }
  bool erase(const Key& key) override { return right_.erase(key); }
  bool compare_and_put(const base::Epoch::Guard& guard, const Record* expected,
                       base::Ref<const Record> record) override {
    return right_.compare_and_put(guard, expected, std::move(record));
  }
  bool compare_and_erase(const base::Epoch::Guard& guard, const Key& key,
                         const Record* expected) override {
    return right_.compare_and_erase(guard, key, expected);
  }
  void for_each(const base::Epoch::Guard& guard,
                const std::function<void(const Record&)>& visit) const override {
    right_.for_each(guard, visit);
  }
  std::optional<std::uint64_t> for_each_from(
      const base::Epoch::Guard& guard, std::uint64_t position,
      const std::function<void(const Record&)>& visit) const override {
    return right_.for_each_from(guard, position, visit);
  }
  void find_settled(const base::Epoch::Guard& guard, std::span<const Key> keys,
                    std::span<const Record*> found) const override {
    if constexpr (SettledAccess<M>) {
      right_.find_settled(guard, keys, found);
    } else {
      right_.find_many(guard, keys, found);
    }
  }
  std::optional<std::uint64_t> for_each_settled_from(
      const base::Epoch::Guard& guard, std::uint64_t position,
      const std::function<void(const Record&)>& visit) const override {
    if constexpr (SettledAccess<M>) {
      return right_.for_each_settled_from(guard, position, visit);
    } else {
      return right_.for_each_from(guard, position, visit);
    }
  }
  void put_absent(const base::Epoch::Guard& guard,
                  std::span<const Record* const> records) override {
    if constexpr (SettledAccess<M>) {
      right_.put_absent(guard, records);
    } else {
      for (const Record* record : records) {
        right_.compare_and_put(guard, nullptr, base::Ref<const Record>(record));
      }
    }
  }
  std::optional<std::uint64_t> clear_from(std::uint64_t position, std::size_t* dropped) override {
    if constexpr (Clearable<M>) {
      return right_.clear_from(position, dropped);
    } else {
      return right_.for_each_from(base::Epoch::Guard(), position, [&](const Record& record) {
        right_.erase(record.key());
        ++*dropped;
      });
    }
  }
  void reserve(std::size_t entries) override {
    if constexpr (SettledAccess<M>) right_.reserve(entries);
  }
  [[nodiscard]] std::size_t size() const override { return right_.size(); }
  [[nodiscard]] MapStats stats() const override { return right_.stats(); }
  [[nodiscard]] Position position_of(const Key& key) const override {
    return right_.position_of(key);
  }
  [[nodiscard]] ProbeChain describe(const base::Epoch::Guard& guard,
                                    const Key& key) const override {
    return right_.describe(guard, key);
  }
  [[nodiscard]] std::vector<TableCensus> census(const base::Epoch::Guard& guard) const override {
    return right_.census(guard);
  }

 protected:
  M& right_;
};

}  // namespace podkeeper::cmap::testing
