#include "pkg/state/summary.h"

#include "pkg/base/epoch.h"
#include "pkg/base/panic.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace podkeeper::state {
namespace {

/// Counts names; makes a string only for a name's first count.
class Tally {
 public:
  void add(std::string_view name) {
    const auto known = counts_.find(name);
    if (known != counts_.end()) {
      ++known->second;
    } else {
      counts_.emplace(name, 1);
    }
  }
  std::map<std::string, std::size_t> take() {
    std::map<std::string, std::size_t> counts;
    for (const auto& [name, count] : counts_) counts.emplace(name, count);
    return counts;
  }

 private:
  std::map<std::string, std::size_t, std::less<>> counts_;
};

void keep_first(std::vector<PodNotice>& notices, auto before) {
  const std::size_t kept = std::min(notices.size(), kSummaryNoticesMax);
  const auto end = notices.begin() + static_cast<std::ptrdiff_t>(kept);
  std::partial_sort(notices.begin(), end, notices.end(), before);
  notices.erase(end, notices.end());
}

class PodCounter {
 public:
  explicit PodCounter(ClusterSummary& summary) : summary_(summary), pods_(summary.pods) {}

  void add(const PodState& state) {
    const bool ended = terminal(state.fields());
    ++pods_.total;
    phases_.add(state.phase());
    reasons_.add(state.reason);
    if (!ended) ++(state.ready ? pods_.ready : pods_.not_ready);
    if (state.terminating) ++pods_.terminating;
    if (state.node_lost) ++pods_.node_lost;
    pods_.restarts += state.restarts();
    if (!ended && !state.node().empty()) {
      summary_.requested += {state.fields().cpu_millis, state.fields().memory_bytes, 1};
    }
    if (state.stuck != StuckReason::kNone) {
      pods_.stuck.push_back({std::string(state.pod->key_text()), to_string(state.stuck), 0});
    }
    if (state.expires_at != 0) {
      pods_.expiring.push_back({std::string(state.pod->key_text()), {}, state.expires_at});
    }
  }

  void finish() {
    pods_.by_phase = phases_.take();
    pods_.by_reason = reasons_.take();
    pods_.stuck_total = pods_.stuck.size();
    pods_.expiring_total = pods_.expiring.size();
    keep_first(pods_.stuck, [](const auto& a, const auto& b) { return a.key < b.key; });
    keep_first(pods_.expiring, [](const auto& a, const auto& b) {
      return std::pair(a.expires_at, std::string_view(a.key)) <
             std::pair(b.expires_at, std::string_view(b.key));
    });
  }

 private:
  ClusterSummary& summary_;
  ClusterSummary::Pods& pods_;
  Tally phases_;
  Tally reasons_;
};

void count_node(const kube::NodeFields& node, ClusterSummary& summary) {
  ClusterSummary::Nodes& nodes = summary.nodes;
  ++nodes.total;
  if (node.ready == "True") {
    ++nodes.ready;
  } else if (node.ready == "False") {
    ++nodes.not_ready;
  } else {
    ++nodes.unknown;
  }
  if (node.unschedulable) ++nodes.unschedulable;
  if (node.memory_pressure) ++nodes.memory_pressure;
  if (node.disk_pressure) ++nodes.disk_pressure;
  if (node.pid_pressure) ++nodes.pid_pressure;
  summary.capacity += {node.capacity_cpu_millis, node.capacity_memory_bytes, node.capacity_pods};
  summary.allocatable +=
      {node.allocatable_cpu_millis, node.allocatable_memory_bytes, node.allocatable_pods};
}

}  // namespace

ResourceAmount& ResourceAmount::operator+=(const ResourceAmount& other) noexcept {
  cpu_millis += other.cpu_millis;
  memory_bytes += other.memory_bytes;
  pods += other.pods;
  return *this;
}

ClusterSummary summarize(access::AuthorizedRead pods_allowed, const PodStates& pods,
                         access::AuthorizedRead nodes_allowed, const Reader& nodes) {
  PK_CHECK(pods_allowed.scope().plural_group == "pods" && pods_allowed.scope().namespace_.empty(),
           "a summary needs a proof for all pods");
  ClusterSummary summary;
  PodCounter counter(summary);
  {
    const base::Epoch::Guard guard;
    pods.map().for_each(guard, [&](const PodStateRecord& record) { counter.add(record.state()); });
  }
  counter.finish();
  const auto list = nodes.list(std::move(nodes_allowed), {});
  PK_CHECK(list.has_value(), "the present can always be listed");
  for (const RecordRef& record : list->records) {
    if (const kube::NodeFields* node = record->object().node()) count_node(*node, summary);
  }
  summary.freshness = list->freshness;
  return summary;
}

}  // namespace podkeeper::state
