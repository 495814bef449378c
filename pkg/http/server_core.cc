#include "pkg/http/server_core.h"

#include "pkg/http/connection.h"

#include <algorithm>
#include <utility>

namespace podkeeper::http {
namespace {

/// So many give way at once that walking the table at the cap costs little per newcomer.
constexpr std::size_t kGiveWayDivisor = 64;
/// Those who were told to give way hold their place until they are gone; beyond cap + cap/8 nobody
/// enters.
constexpr std::size_t kOvershootDivisor = 8;
/// Of the slow so many are cut at one look: memory is looked at again before the others go.
constexpr std::size_t kEvictDivisor = 4;
constexpr base::Duration kLineInterval = std::chrono::seconds(10);

}  // namespace

ConnectionTable::Admission ConnectionTable::add(std::shared_ptr<Connection> connection) {
  Admission admission;
  base::Lock lock(mutex_);
  const std::size_t cap = limits_.connections_max;
  if (connections_.size() >= cap) {
    if (connections_.size() < cap + cap / kOvershootDivisor + 1)
      admission.giving_way = choose_idle();
    if (admission.giving_way.empty()) {
      admission.rejection = Rejection::kConnections;
      return admission;
    }
  }
  std::size_t& from_source = per_source_[connection->source()];
  if (from_source >= limits_.connections_per_source_max) {
    admission.rejection = Rejection::kConnectionsPerSource;
    return admission;
  }
  ++from_source;
  connection->id = ++last_id_;
  connections_.emplace(connection->id, std::move(connection));
  return admission;
}

std::vector<std::shared_ptr<Connection>> ConnectionTable::longest_idle() {
  base::Lock lock(mutex_);
  return choose_idle();
}

std::vector<std::shared_ptr<Connection>> ConnectionTable::choose_idle() {
  std::vector<std::pair<std::int64_t, std::uint64_t>> idle;
  for (const auto& [id, connection] : connections_) {
    if (const std::int64_t since = connection->idle_since(); since != 0)
      idle.emplace_back(since, id);
  }
  const std::size_t count =
      std::min(idle.size(), std::max<std::size_t>(1, limits_.connections_max / kGiveWayDivisor));
  std::ranges::partial_sort(idle, idle.begin() + static_cast<std::ptrdiff_t>(count));
  std::vector<std::shared_ptr<Connection>> chosen;
  chosen.reserve(count);
  for (std::size_t i = 0; i < count; ++i) chosen.push_back(connections_.at(idle[i].second));
  return chosen;
}

std::vector<ConnectionTable::Behind> ConnectionTable::most_behind(base::MonotonicTime slow_since,
                                                                  std::size_t count_min) const {
  const std::int64_t before = slow_since.time_since_epoch().count();
  std::vector<std::pair<std::int64_t, std::uint64_t>> slow;
  base::Lock lock(mutex_);
  for (const auto& [id, connection] : connections_) {
    const std::int64_t since = connection->writing_since();
    if (since != 0 && since <= before) slow.emplace_back(since, id);
  }
  const std::size_t count = std::min(slow.size(), std::max(count_min, slow.size() / kEvictDivisor));
  std::ranges::partial_sort(slow, slow.begin() + static_cast<std::ptrdiff_t>(count));
  std::vector<Behind> chosen;
  chosen.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    chosen.push_back({slow[i].first, connections_.at(slow[i].second)});
  }
  return chosen;
}

std::size_t ConnectionTable::remove(const Connection& connection) {
  std::shared_ptr<Connection> last;  // may be the last owner: destroyed outside the lock
  base::Lock lock(mutex_);
  const auto found = connections_.find(connection.id);
  if (found != connections_.end()) {
    last = std::move(found->second);
    connections_.erase(found);
    const auto source = per_source_.find(last->source());
    if (--source->second == 0) per_source_.erase(source);
  }
  return connections_.size();
}

std::vector<std::shared_ptr<Connection>> ConnectionTable::all() const {
  base::Lock lock(mutex_);
  std::vector<std::shared_ptr<Connection>> connections;
  connections.reserve(connections_.size());
  for (const auto& [id, connection] : connections_) connections.push_back(connection);
  return connections;
}

std::size_t ConnectionTable::size() const {
  base::Lock lock(mutex_);
  return connections_.size();
}

BlockPool::Block BlockPool::take() {
  std::size_t size = kSmallBlockBytes;
  {
    base::Lock lock(mutex_);
    if (large_lent_ < kLargeBlocksMax) {
      ++large_lent_;
      size = kBlockBytes;
      if (!kept_.empty()) {
        Block block{std::move(kept_.back()), size};
        kept_.pop_back();
        return block;
      }
    }
  }
  return {std::make_unique_for_overwrite<char[]>(size), size};
}

void BlockPool::give_back(Block block) {
  if (block.size != kBlockBytes) return;
  base::Lock lock(mutex_);
  --large_lent_;
  if (kept_.size() < kBlocksKeptMax) kept_.push_back(std::move(block.bytes));
}

std::size_t descriptors_needed(const ServerLimits& limits) noexcept {
  return limits.connections_max + limits.connections_max / kOvershootDivisor + 1 + kRefusalsMax;
}

std::size_t connections_within(std::size_t descriptors) noexcept {
  constexpr std::size_t kBeside = 1 + kRefusalsMax;
  if (descriptors <= kBeside) return 1;
  return std::max<std::size_t>(
      1, (descriptors - kBeside) * kOvershootDivisor / (kOvershootDivisor + 1));
}

ServerCore::ServerCore(base::World& its_world, runtime::TaskGroup& its_group,
                       telemetry::Metrics& its_metrics, std::string its_name, Router its_router,
                       ServerLimits its_limits, std::shared_ptr<Overload> its_overload)
    : world(its_world),
      group(its_group),
      name(std::move(its_name)),
      router(std::move(its_router)),
      limits(its_limits),
      overload(std::move(its_overload)),
      metrics(its_metrics),
      connections(limits),
      last_gone(world.clock()),
      refused_lines(world.clock(), kLineInterval),
      cut_lines(world.clock(), kLineInterval) {}

}  // namespace podkeeper::http
