#pragma once

#include "pkg/kube/object.h"
#include "pkg/state/pod_states.h"
#include "pkg/state/record.h"

#include <chrono>
#include <optional>

namespace podkeeper::controllers {

/// From when on something counts as wrong. Kubernetes' timestamps have whole seconds, so have
/// these.
struct DeriveOptions {
  static constexpr std::chrono::seconds kNodeGrace{
      40};  ///< the node lifecycle controller's own default
  static constexpr std::chrono::seconds kPendingMax = std::chrono::minutes(5);
  static constexpr std::chrono::seconds kContainerCreatingMax = std::chrono::minutes(10);
  static constexpr std::chrono::seconds kTerminatingMax = std::chrono::minutes(2);

  /// How long a node may be not Ready, or unknown to us, before its pods count as lost.
  std::chrono::seconds node_grace = kNodeGrace;
  /// How long a pod may wait for a node.
  std::chrono::seconds pending_max = kPendingMax;
  /// How long a pod that has a node may be Pending.
  std::chrono::seconds container_creating_max = kContainerCreatingMax;
  /// How long a pod may outlive metadata.deletionTimestamp, which its own grace period is part of.
  std::chrono::seconds terminating_max = kTerminatingMax;
  /// How long the state of a pod that Succeeded or Failed is kept after its end; 0: as long as the
  /// pod.
  std::chrono::seconds terminal_ttl{0};
};

struct Derived {
  std::optional<state::PodState> state;  ///< none: the pod's state has expired and is to be removed
  /// When the outcome will be another though neither pod nor node changes; none: never.
  std::optional<kube::UnixSeconds> next_change;
};

/// When what is kept of a pod that Succeeded or Failed expires, `ttl` after its end; nothing where
/// the pod has not ended, or the time is 0. Pure.
std::optional<kube::UnixSeconds> terminal_expiry(const kube::Object& pod, std::chrono::seconds ttl);

/// What podkeeper says about a pod, from the mirror's records of the pod and of its node (null: the
/// mirror has none; not asked for while the pod has no node) at a point in time. Pure: the same
/// records and time give the same answer.
Derived derive(const state::RecordRef& pod, const state::Record* node, kube::UnixSeconds now,
               const DeriveOptions& options);

}  // namespace podkeeper::controllers
