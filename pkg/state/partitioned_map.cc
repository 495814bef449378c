#include "pkg/state/partitioned_map.h"

#include "pkg/base/panic.h"
#include "pkg/state/partition_layout.h"

#include <unordered_set>

namespace podkeeper::state {

using base::Epoch;

namespace {

using AnyRef = base::Ref<const cmap::Record>;

std::string_view namespace_of(const cmap::Key& key) noexcept {
  const std::size_t slash = key.text.find('/');
  return slash == std::string_view::npos ? std::string_view{} : key.text.substr(0, slash);
}

}  // namespace

class Partitions::Walk {
 public:
  explicit Walk(const Partitions& of) : of_(of) {
    base::Lock lock(of_.walks_mutex_);
    of_.walks_.push_back(this);
  }
  ~Walk() {
    base::Lock lock(of_.walks_mutex_);
    std::erase(of_.walks_, this);
  }
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

  void hears(AnyRef moved) { moved_.push_back(std::move(moved)); }  // under walks_mutex_
  [[nodiscard]] std::vector<AnyRef> take() {
    base::Lock lock(of_.walks_mutex_);
    return std::exchange(moved_, {});
  }

 private:
  const Partitions& of_;
  std::vector<AnyRef> moved_;
};

Partitions::Partitions(std::string name, std::string resource, PlacementOf placement_of,
                       base::Clock& clock, const cmap::MapOptions& defaults)
    : name_(std::move(name)),
      resource_(std::move(resource)),
      placement_of_(placement_of),
      clock_(clock) {
  auto first = std::make_unique<Layout>();
  first->plan.defaults = defaults;
  first->parts.push_back(
      std::make_shared<Partition>(std::string{}, policy::partition_name(name_, {}), defaults));
  publish(std::move(first));
}

Partitions::~Partitions() { delete layout_.load(std::memory_order_relaxed); }

void Partitions::publish(std::unique_ptr<const Layout> next) {
  const Layout* old = layout_.exchange(next.release(), std::memory_order_acq_rel);
  if (old == nullptr) return;
  Epoch::retire(old, [](const void* p) { delete static_cast<const Layout*>(p); }, sizeof(Layout));
}

Partitions::Partition& Partitions::target(const Layout& layout, const cmap::Record& record) const {
  if (layout.parts.size() == 1) return *layout.parts.front();
  const Placement placement = placement_of_(record);
  return *layout.parts[layout.plan.partition_of(placement.namespace_, placement.labels)];
}

const cmap::Record* Partitions::find(const Epoch::Guard& guard, const cmap::Key& key) const {
  const Layout* now = &layout(guard);
  if (now->alone()) return now->parts.front()->map.find(guard, key);
  const std::string_view namespace_ = namespace_of(key);
  const Stripe& stripe = stripe_of(key);
  std::uint64_t moves = stripe.moves.load(std::memory_order_acquire);
  while (true) {
    const cmap::Record* found = nullptr;
    std::size_t index = 0;
    now->any_of([&](const Partition& partition) {
      const std::size_t rule = index++;
      const bool prune = now->settled && rule < now->plan.rules.size();
      if (prune && !now->plan.rules[rule].covers(namespace_)) return false;
      found = partition.map.find(guard, key);
      return found != nullptr;
    });
    if (found != nullptr) return found;
    std::atomic_thread_fence(std::memory_order_acquire);
    const std::uint64_t moves_now = stripe.moves.load(std::memory_order_acquire);
    if (moves_now == moves) return nullptr;
    moves = moves_now;
    now = &layout(guard);
  }
}

void Partitions::find_many(const Epoch::Guard& guard, std::span<const cmap::Key> keys,
                           std::span<const cmap::Record*> found) const {
  const Layout& now = layout(guard);
  if (now.alone()) return now.parts.front()->map.find_many(guard, keys, found);
  PK_CHECK(keys.size() == found.size(), "find_many of " + std::to_string(keys.size()) +
                                            " keys wants as many places, not " +
                                            std::to_string(found.size()));
  for (std::size_t i = 0; i < keys.size(); ++i) found[i] = find(guard, keys[i]);
}

bool Partitions::place(const Layout& layout, Stripe& stripe, const Home& held, AnyRef record) {
  Partition& to = target(layout, *record);
  if (held.partition == nullptr || held.partition == &to) return to.map.put(std::move(record));
  // The old home shows it first: the order in which readers look changes with the plan, and none
  // may find the older record after the newer one.
  if (held.record != record.get()) held.partition->map.put(record);
  to.map.put(record);
  stripe.moves.fetch_add(1, std::memory_order_release);
  {
    base::Lock lock(walks_mutex_);
    for (Walk* walk : walks_) walk->hears(record);
  }
  held.partition->map.erase(record->key());
  return false;
}

Partitions::Home Partitions::locate(const Epoch::Guard& guard, const Layout& layout,
                                    const cmap::Key& key) {
  Home home;
  layout.any_of([&](Partition& partition) {
    home.record = partition.map.find(guard, key);
    if (home.record != nullptr) home.partition = &partition;
    return home.record != nullptr;
  });
  return home;
}

bool Partitions::put(AnyRef record) {
  Stripe& stripe = stripe_of(record->key());
  base::Lock lock(stripe.mutex);
  const Epoch::Guard guard;
  const Layout& now = layout(guard);
  if (now.alone()) return now.parts.front()->map.put(std::move(record));
  const Home held = locate(guard, now, record->key());
  return place(now, stripe, held, std::move(record));
}

bool Partitions::erase(const cmap::Key& key) {
  base::Lock lock(stripe_of(key).mutex);
  const Epoch::Guard guard;
  bool erased = false;
  layout(guard).any_of([&](Partition& partition) { return erased = partition.map.erase(key); });
  return erased;
}

bool Partitions::compare_and_put(const Epoch::Guard& guard, const cmap::Record* expected,
                                 AnyRef record) {
  Stripe& stripe = stripe_of(record->key());
  base::Lock lock(stripe.mutex);
  const Layout& now = layout(guard);
  const Home held = locate(guard, now, record->key());
  if (held.record != expected) return false;
  place(now, stripe, held, std::move(record));
  return true;
}

bool Partitions::compare_and_erase(const Epoch::Guard& guard, const cmap::Key& key,
                                   const cmap::Record* expected) {
  if (expected == nullptr) return false;
  base::Lock lock(stripe_of(key).mutex);
  bool erased = false;
  layout(guard).any_of([&](Partition& partition) {
    return erased = partition.map.compare_and_erase(guard, key, expected);
  });
  return erased;
}

void Partitions::for_each(const Epoch::Guard& guard,
                          const std::function<void(const cmap::Record&)>& visit) const {
  const Layout& now = layout(guard);
  // While the guard keeps this layout, writers place by its plan: nothing leaves a lone partition.
  if (now.alone()) return now.parts.front()->map.for_each(guard, visit);
  Walk walk(*this);
  std::unordered_set<std::string_view> shown;
  const auto show = [&](const cmap::Record& record) {
    if (shown.insert(record.key_text()).second) visit(record);
  };
  now.any_of([&](const Partition& partition) {
    partition.map.for_each(guard, show);
    return false;
  });
  const std::vector<AnyRef> moved = walk.take();
  for (const AnyRef& record : moved) show(*record);
}

std::size_t Partitions::size() const {
  const Epoch::Guard guard;
  std::size_t size = 0;
  layout(guard).any_of([&](const Partition& partition) {
    size += partition.map.size();
    return false;
  });
  return size;
}

std::vector<policy::PartitionReport> Partitions::report() const {
  const Epoch::Guard guard;
  std::vector<policy::PartitionReport> report;
  for (const auto& partition : layout(guard).parts) {
    base::Lock lock(partition->mutex);
    report.push_back({.policy = partition->policy,
                      .map = partition->map.stats(),
                      .last_migration = partition->last_migration});
  }
  return report;
}

std::map<std::string, std::shared_ptr<const cmap::Observed>> Partitions::maps() const {
  const Epoch::Guard guard;
  std::map<std::string, std::shared_ptr<const cmap::Observed>> maps;
  for (const auto& partition : layout(guard).parts) {
    maps.emplace(policy::partition_name(name_, partition->policy),
                 std::shared_ptr<const cmap::Observed>(partition, &partition->map));
  }
  return maps;
}

}  // namespace podkeeper::state
