// The deployment controller among the actors: pods follow their deployment's template and count.
#include "pkg/simkube/actors.h"
#include "pkg/simkube/manifests.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace podkeeper::simkube {
namespace {

constexpr std::size_t kPodsPerStep =
    100;  // created by one step; the next change brings the next step

std::size_t wanted_replicas(const Json& deployment) {
  const auto replicas = deployment["spec"].value("replicas", std::int64_t{1});
  return static_cast<std::size_t>(std::clamp<std::int64_t>(replicas, 0, 10'000));
}

/// Of `pods`, those to stop first: not ready before ready, then by name.
template <class Pod>
void order_to_stop(std::vector<const Pod*>& pods) {
  std::ranges::sort(pods, [](const Pod* a, const Pod* b) {
    return std::pair(a->ready, a->key.name) < std::pair(b->ready, b->key.name);
  });
}

}  // namespace

void Actors::plan_rollout(const std::string& deployment) {
  const auto slash = deployment.find('/');
  const kube::ObjectKey key{deployment.substr(0, slash), deployment.substr(slash + 1)};
  plan("rollout", key, std::chrono::milliseconds(20), std::chrono::milliseconds(80),
       [this, key] { roll_out(key); });
}

void Actors::roll_out(const kube::ObjectKey& key) {
  const auto name = to_string(key);
  std::vector<const Pod*> held, fresh, old;
  for (auto it = pods_.lower_bound(name); it != pods_.end() && it->first.starts_with(name); ++it) {
    if (it->second.deployment == name && !it->second.deleting) held.push_back(&it->second);
  }
  const auto stop = [&](const std::vector<const Pod*>& pods, std::size_t count) {
    for (std::size_t i = 0; i < std::min(count, pods.size()); ++i)
      (void)cluster_.remove(kube::pods(), pods[i]->key, {});
  };
  const auto deployment = cluster_.find(kube::deployments(), key);
  if (!deployment) {
    stop(held, held.size());
    deployments_.erase(name);
    return;
  }
  const auto hash = template_hash(*deployment);
  for (const auto* pod : held) (pod->hash == hash ? fresh : old).push_back(pod);
  order_to_stop(fresh);
  order_to_stop(old);
  const auto want = wanted_replicas(*deployment);
  const auto surge = want / 4 + 1, may_miss = want / 4;
  const auto ready = static_cast<std::size_t>(std::ranges::count_if(held, &Pod::ready));
  tell_status(key, *deployment, held, hash);
  if (fresh.size() < want && held.size() < want + surge) {
    create_pods(*deployment, std::min(want - fresh.size(), want + surge - held.size()));
  }
  if (fresh.size() > want) stop(fresh, fresh.size() - want);
  // Old pods that serve nobody go at once; ready ones as new ones become ready.
  const auto idle = static_cast<std::size_t>(
      std::ranges::count_if(old, [](const Pod* pod) { return !pod->ready; }));
  const auto spare = ready > want - may_miss ? ready - (want - may_miss) : 0;
  if (!old.empty()) stop(old, idle + spare);
}

void Actors::create_pods(const Json& deployment, std::size_t count) {
  const std::string space = deployment["metadata"].value("namespace", "");
  for (std::size_t i = 0; i < std::min(count, kPodsPerStep); ++i) {
    (void)cluster_.create(kube::pods(), space,
                          pod_of_deployment(deployment, world_.clock().wall_now()), {});
  }
}

void Actors::tell_status(const kube::ObjectKey& key, const Json& deployment,
                         const std::vector<const Pod*>& pods, const std::string& hash) {
  const auto ready = std::ranges::count_if(pods, &Pod::ready);
  const auto updated =
      std::ranges::count_if(pods, [&](const Pod* pod) { return pod->hash == hash; });
  Json status = {{"observedGeneration", deployment["metadata"].value("generation", 1)},
                 {"replicas", pods.size()}};
  status["updatedReplicas"] = updated;
  status["readyReplicas"] = ready;
  status["availableReplicas"] = ready;
  if (const auto missing = static_cast<std::int64_t>(pods.size()) - ready; missing > 0) {
    status["unavailableReplicas"] = missing;
  }
  cluster_.edit(kube::deployments(), key, "", [&](Json& json) {
    if (json.contains("status") && json["status"] == status) return false;
    json["status"] = status;
    return true;
  });
}

}  // namespace podkeeper::simkube
