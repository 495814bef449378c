#include "pkg/simkube/population.h"

#include "pkg/runtime/seeded_random.h"
#include "pkg/simkube/manifests.h"
#include "pkg/simkube/rules.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <set>
#include <utility>

namespace podkeeper::simkube {
namespace {

using runtime::SeededRandom;

constexpr std::size_t kNamespacesMax = 40;
constexpr std::size_t kPodsPerNamespace = 100;
constexpr std::uint64_t kReplicasMax = 12;
constexpr std::array kServices = {"ads",    "cart",    "catalog",  "checkout", "currency",
                                  "email",  "fraud",   "gateway",  "images",   "ledger",
                                  "login",  "orders",  "payment",  "quotes",   "rating",
                                  "search", "session", "shipping", "stock",    "users"};

std::string space_name(std::size_t number) {
  std::string digits = std::to_string(number);
  return "team-" + std::string(digits.size() < 2 ? 1 : 0, '0') + digits;
}

std::string suffix(SeededRandom& random) {
  constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string text(5, ' ');
  for (auto& c : text) c = kAlphabet[random.below(kAlphabet.size())];
  return text;
}

/// A pod that has been running for a while on a node.
Json running_pod(const Json& deployment, std::uint64_t number, const PopulationOptions& options,
                 base::WallTime created, SeededRandom& random) {
  Json pod = pod_of_deployment(deployment, created);
  auto& metadata = pod["metadata"];
  metadata["name"] = metadata["generateName"].get<std::string>() + suffix(random);
  metadata["creationTimestamp"] = format_now(created);
  apply_defaults(kube::pods(), pod);
  pod["status"] = {{"phase", "Pending"}, {"qosClass", "Burstable"}};
  if (options.nodes == 0) return pod;
  const auto node = random.below(options.nodes);
  const auto host =
      "10.40." + std::to_string(node / 250 % 250) + "." + std::to_string(node % 250 + 1);
  schedule_pod(pod, node_name(node), created);
  start_pod(pod, pod_address(number), host, created + std::chrono::seconds(2));
  set_pod_ready(pod, true, created + std::chrono::seconds(9));
  return pod;
}

Json deployment_status(std::uint32_t replicas) {
  return {{"observedGeneration", 1},
          {"replicas", replicas},
          {"updatedReplicas", replicas},
          {"readyReplicas", replicas},
          {"availableReplicas", replicas}};
}

}  // namespace

std::string pod_address(std::uint64_t number) {
  return "10." + std::to_string(128 + (number >> 16) % 64) + "." +
         std::to_string((number >> 8) % 256) + "." + std::to_string(number % 256);
}

void populate_namespaces(Cluster& cluster, const std::vector<std::string>& names) {
  std::set<std::string> all = {"default", "kube-system"};
  all.insert(names.begin(), names.end());
  std::vector<Json> objects;
  objects.reserve(all.size());
  for (const auto& name : all) objects.push_back(namespace_manifest(name));
  cluster.populate(kube::namespaces(), std::move(objects));
}

void populate(Cluster& cluster, const PopulationOptions& options) {
  SeededRandom random(options.seed);
  const auto now = cluster.wall_now();
  const std::size_t spaces =
      std::clamp<std::size_t>(options.pods / kPodsPerNamespace + 1, 1, kNamespacesMax);
  std::vector<std::string> names;
  names.reserve(spaces);
  for (std::size_t i = 0; i < spaces; ++i) names.push_back(space_name(i));
  populate_namespaces(cluster, names);

  std::vector<Json> nodes, deployments, pods;
  for (std::size_t i = 0; i < options.nodes; ++i) nodes.push_back(node_manifest(i, now));
  while (pods.size() < options.pods) {
    const auto number = deployments.size();
    DeploymentShape shape;
    shape.namespace_ = names[number % spaces];
    // A second round through the services of a namespace gets a number.
    const auto round = number / spaces / kServices.size();
    shape.name = kServices[number / spaces % kServices.size()] +
                 (round == 0 ? "" : "-" + std::to_string(round));
    shape.image = "registry.example.com/shop/" + shape.name + ":v1." +
                  std::to_string(random.below(20)) + ".0";
    shape.replicas = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(1 + random.below(kReplicasMax), options.pods - pods.size()));
    shape.sidecar = random.below(4) == 0;
    Json deployment = deployment_manifest(shape);
    deployment["status"] = deployment_status(shape.replicas);
    const auto created = now - std::chrono::seconds(60 + random.below(7 * 24 * 3600));
    deployment["metadata"]["creationTimestamp"] = format_now(created);
    for (std::uint32_t i = 0; i < shape.replicas; ++i) {
      pods.push_back(running_pod(deployment, pods.size() + 1, options, created, random));
    }
    deployments.push_back(std::move(deployment));
  }
  cluster.populate(kube::nodes(), std::move(nodes));
  cluster.populate(kube::deployments(), std::move(deployments));
  cluster.populate(kube::pods(), std::move(pods));
}

}  // namespace podkeeper::simkube
