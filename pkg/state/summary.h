#pragma once

#include "pkg/access/authorized.h"
#include "pkg/state/pod_states.h"
#include "pkg/state/store.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace podkeeper::state {

/// An amount of what pods run on.
struct ResourceAmount {
  std::int64_t cpu_millis = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t pods = 0;
  ResourceAmount& operator+=(const ResourceAmount& other) noexcept;
  friend bool operator==(const ResourceAmount&, const ResourceAmount&) = default;
};

/// A pod that somebody should look at.
struct PodNotice {
  std::string key;                   ///< "namespace/name"
  std::string reason;                ///< why it is stuck; empty in `expiring`
  kube::UnixSeconds expires_at = 0;  ///< 0 in `stuck`
};
inline constexpr std::size_t kSummaryNoticesMax = 100;

/// The cluster in one look.
struct ClusterSummary {
  struct Pods {
    std::size_t total = 0;
    std::size_t ready = 0, not_ready = 0;  ///< of those that are not terminal
    std::size_t terminating = 0;
    std::size_t node_lost = 0;
    std::uint64_t restarts = 0;
    std::map<std::string, std::size_t> by_phase;
    std::map<std::string, std::size_t> by_reason;  ///< the STATUS column
    std::size_t stuck_total = 0, expiring_total = 0;
    std::vector<PodNotice> stuck;     ///< the first kSummaryNoticesMax by key
    std::vector<PodNotice> expiring;  ///< those of kSummaryNoticesMax that expire first
  } pods;
  struct Nodes {
    std::size_t total = 0;
    std::size_t ready = 0, not_ready = 0,
                unknown = 0;  ///< condition Ready; a node without it is unknown
    std::size_t unschedulable = 0;
    std::size_t memory_pressure = 0, disk_pressure = 0, pid_pressure = 0;
  } nodes;
  ResourceAmount capacity;
  ResourceAmount allocatable;
  ResourceAmount requested;  ///< by pods that have a node and are not terminal
  Freshness freshness;       ///< of the nodes' mirror
};

/// Counts pod states and nodes as they are now. Any thread; O(pods + nodes), about 1 ms for 10,000
/// pods.
ClusterSummary summarize(access::AuthorizedRead pods_allowed, const PodStates& pods,
                         access::AuthorizedRead nodes_allowed, const Reader& nodes);

}  // namespace podkeeper::state
