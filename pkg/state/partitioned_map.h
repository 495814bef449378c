#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/epoch.h"
#include "pkg/base/lifetime.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"
#include "pkg/cmap/map.h"
#include "pkg/policy/partitioned_store.h"
#include "pkg/policy/plan.h"

#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace podkeeper::state {

/// What a plan asks of a record: where it lives follows from it alone.
struct Placement {
  std::string_view namespace_;
  const kube::Object::LabelSpan& labels;
};

/// A map over partitions, over type-erased records: what PartitionedMap below is to its users, this
/// is to those who arrange partitions and show them (policies, metrics, /state/v1/maps). Any thread
/// may call anything.
class Partitions final : public policy::PartitionedStore {
 public:
  using PlacementOf = Placement (*)(const cmap::Record&);

  /// `name` is what metrics and /state/v1/maps call it, `resource` the "plural.group" by which
  /// policies target it.
  Partitions(std::string name, std::string resource, PlacementOf placement_of, base::Clock& clock,
             const cmap::MapOptions& defaults);
  ~Partitions() override;
  Partitions(const Partitions&) = delete;
  Partitions& operator=(const Partitions&) = delete;

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] const std::string& resource() const override { return resource_; }
  [[nodiscard]] std::vector<policy::PartitionReport> report() const override;
  /// The maps by the names of their partitions ("pods~batch"), for those who look inside. A map
  /// stays while it is held, also when its partition goes.
  [[nodiscard]] std::map<std::string, std::shared_ptr<const cmap::Observed>> maps() const;
  /// Brings the partitions to `plan`: makes the new ones, moves every record that belongs
  /// elsewhere, changes the strategy of those that stay, drops those that go. Readers and writers
  /// go on meanwhile. However it ends (an error, a throw, a cancellation) every record is where
  /// readers find it, and a later call takes up what is left. kConflict while another call runs;
  /// kTimeout when it took longer than 30 s. O(records), with a pause every 1024 moves.
  base::Task<base::Result<void>> apply(policy::PartitionPlan plan) override;

  // As in cmap::Map.
  const cmap::Record* find(const base::Epoch::Guard& guard PK_LIFETIME_BOUND,
                           const cmap::Key& key) const;
  void find_many(const base::Epoch::Guard& guard, std::span<const cmap::Key> keys,
                 std::span<const cmap::Record*> found) const;
  bool put(base::Ref<const cmap::Record> record);
  bool erase(const cmap::Key& key);
  bool compare_and_put(const base::Epoch::Guard& guard, const cmap::Record* expected,
                       base::Ref<const cmap::Record> record);
  bool compare_and_erase(const base::Epoch::Guard& guard, const cmap::Key& key,
                         const cmap::Record* expected);
  void for_each(const base::Epoch::Guard& guard,
                const std::function<void(const cmap::Record&)>& visit) const;
  [[nodiscard]] std::size_t size() const;

 private:
  struct Partition;
  struct Layout;
  struct Home;
  class Walk;

  /// Writers of keys that share a stripe wait for each other. `moves` counts the records that left
  /// one partition for another: a reader that found nothing and sees it changed looks again.
  struct alignas(64) Stripe {
    base::Mutex mutex;
    std::atomic<std::uint64_t> moves{0};
  };
  static constexpr std::size_t kStripes = 64;

  [[nodiscard]] Stripe& stripe_of(const cmap::Key& key) const noexcept {
    return stripes_[key.hash % kStripes];
  }
  [[nodiscard]] const Layout& layout(const base::Epoch::Guard& /*guard*/) const noexcept {
    return *layout_.load(std::memory_order_acquire);
  }
  void publish(std::unique_ptr<const Layout> next);
  [[nodiscard]] Partition& target(const Layout& layout, const cmap::Record& record) const;
  [[nodiscard]] static Home locate(const base::Epoch::Guard& guard, const Layout& layout,
                                   const cmap::Key& key);
  bool place(const Layout& layout, Stripe& stripe, const Home& held,
             base::Ref<const cmap::Record> record);
  void relocate(const cmap::Key& key);
  [[nodiscard]] std::vector<base::Ref<const cmap::Record>> misplaced() const;
  base::Task<base::Result<void>> move_misplaced();
  void set_audits() const;
  base::Task<base::Result<void>> rearrange(policy::PartitionPlan plan);
  base::Task<base::Result<void>> switch_strategies();

  const std::string name_;
  const std::string resource_;
  const PlacementOf placement_of_;
  base::Clock& clock_;
  mutable std::array<Stripe, kStripes> stripes_;
  std::atomic<const Layout*> layout_{nullptr};
  std::atomic<bool> applying_{false};
  mutable base::Mutex walks_mutex_;
  mutable std::vector<Walk*> walks_ PK_GUARDED_BY(walks_mutex_);
};

/// A concurrent map that is spread over partitions, each a cmap::Map with a strategy of its own: a
/// record lives in the partition that the plan gives its namespace and labels. To its users it is
/// one map with cmap::Map's rules, whatever the plan is and while it changes: a record that moves,
/// because the plan or its labels changed, is found by every reader and shown once by every walk.
/// V has `placement()`. Any thread may call anything.
///
/// Readers take no lock beside what their partition's strategy takes. With the default partition
/// alone, find() costs one load more than cmap::Map's; with policies it probes the partitions whose
/// namespaces cover the key, best rank first. A record moves by a put into its new partition, then
/// an erase from the old, so a reader can only miss it by looking at the new one before and the old
/// one after; a counter per stripe tells that it must look again. One that changes as it moves is
/// put into the old one before, so that nobody finds what it was after what it is. Writers hold one
/// of 64 stripe locks.
template <std::derived_from<cmap::Record> V>
class PartitionedMap {
 public:
  /// `clock` outlives the map.
  PartitionedMap(std::string name, std::string resource, base::Clock& clock,
                 const cmap::MapOptions& defaults = {})
      : partitions_(
            std::move(name), std::move(resource),
            [](const cmap::Record& r) { return static_cast<const V&>(r).placement(); }, clock,
            defaults) {}

  const V* find(const base::Epoch::Guard& guard PK_LIFETIME_BOUND, const cmap::Key& key) const {
    return static_cast<const V*>(partitions_.find(guard, key));
  }
  /// found[i] = find(keys[i]) for each key, each as of its own moment; `found` is as long as
  /// `keys`. With the default partition alone the cache misses of 16 keys overlap.
  void find_many(const base::Epoch::Guard& guard, std::span<const cmap::Key> keys,
                 std::span<const cmap::Record*> found) const {
    partitions_.find_many(guard, keys, found);
  }
  bool put(base::Ref<const V> record) { return partitions_.put(std::move(record)); }
  bool erase(const cmap::Key& key) { return partitions_.erase(key); }
  bool compare_and_put(const base::Epoch::Guard& guard, const V* expected,
                       base::Ref<const V> record) {
    return partitions_.compare_and_put(guard, expected, std::move(record));
  }
  bool compare_and_erase(const base::Epoch::Guard& guard, const cmap::Key& key, const V* expected) {
    return partitions_.compare_and_erase(guard, key, expected);
  }
  /// With more than one partition it remembers the keys it has shown: about 40 B a record while it
  /// runs.
  template <class F>
  void for_each(const base::Epoch::Guard& guard, F&& visit) const {
    partitions_.for_each(guard, [&](const cmap::Record& r) { visit(static_cast<const V&>(r)); });
  }
  [[nodiscard]] std::size_t size() const { return partitions_.size(); }
  [[nodiscard]] Partitions& partitions() noexcept { return partitions_; }
  [[nodiscard]] const Partitions& partitions() const noexcept { return partitions_; }

 private:
  Partitions partitions_;
};

}  // namespace podkeeper::state
