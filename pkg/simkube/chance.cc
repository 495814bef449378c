// What happens in the cluster without anybody asking: heartbeats, failures, jobs, scaling, new
// versions.
#include "pkg/simkube/actors.h"
#include "pkg/simkube/manifests.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace podkeeper::simkube {
namespace {

using std::chrono::seconds;

constexpr std::size_t kInitiativesPerTurn = 64;
constexpr std::size_t kNodesFailedShare = 10;  // at most one node in so many is away at a time

template <class M>
auto pick(M& map, runtime::SeededRandom& random) {
  return std::next(map.begin(), static_cast<std::ptrdiff_t>(random.below(map.size())));
}

}  // namespace

base::MonotonicTime Actors::take_initiatives(base::MonotonicTime now) {
  const double churn = churn_.load(std::memory_order_relaxed);
  const double elapsed = std::chrono::duration<double>(now - budgeted_).count();
  budgeted_ = now;
  if (churn <= 0) {
    budget_ = 0;
    return base::MonotonicTime::max();
  }
  // What was missed for more than a second is not made up for.
  budget_ = std::min(budget_ + churn * elapsed, std::max(churn, 1.0));
  for (std::size_t i = 0; i < kInitiativesPerTurn && budget_ >= 1; ++i) take_initiative();
  const auto wait = std::chrono::duration<double>(std::max(1 - budget_, 0.0) / churn);
  return now + std::max<base::Duration>(std::chrono::duration_cast<base::Duration>(wait),
                                        std::chrono::milliseconds(1));
}

void Actors::take_initiative() {
  const auto before = budget_;
  const auto dice = random_.below(100);
  if (dice < 35) {
    heartbeat();
  } else if (dice < 80) {
    disturb_pod();
  } else if (dice < 91) {
    run_job();
  } else if (dice < 98) {
    touch_deployment();
  } else {
    fail_node();
  }
  // An act that found nothing to do costs its turn too, so that an empty cluster does not spin.
  observe();
  if (budget_ == before) budget_ -= 1;
}

const Actors::Pod* Actors::any_pod() {
  return pods_.empty() ? nullptr : &pick(pods_, random_)->second;
}

void Actors::heartbeat() {
  if (nodes_.empty()) return;
  const auto node = pick(nodes_, random_);
  if (!node->second.heard) return;
  cluster_.edit(kube::nodes(), {"", node->first}, "", [&](Json& json) {
    set_node_heard(json, true, world_.clock().wall_now());
    return true;
  });
}

void Actors::disturb_pod() {
  const auto* pod = any_pod();
  if (pod == nullptr || pod->deleting || pod->phase != "Running" || pod->job) return;
  const auto key = pod->key;
  const auto uid = pod->uid;
  const auto now = world_.clock().wall_now();
  const auto dice = random_.below(10);
  if (dice < 4) {
    edit_pod(key, uid, [&](Json& json) { return set_pod_ready(json, false, now); });
  } else if (dice < 6) {
    edit_pod(key, uid, [&](Json& json) { return crash_pod(json, now); });
  } else if (!pod->deployment.empty()) {
    (void)cluster_.remove(kube::pods(), key, {});  // its deployment makes another
  }
}

void Actors::run_job() {
  if (deployments_.empty()) return;
  const auto& space = pick(deployments_, random_)->second.namespace_;
  const auto name = "report-" + std::to_string(++jobs_);
  (void)cluster_.create(kube::pods(), space, job_pod(space, name), {});
}

void Actors::touch_deployment() {
  if (deployments_.empty()) return;
  const auto key = pick(deployments_, random_)->second;
  const bool roll = random_.below(3) == 0;
  const bool up = random_.below(2) == 0;
  const auto version = std::to_string(random_.below(1000));
  cluster_.edit(kube::deployments(), key, "", [&](Json& json) {
    auto& spec = json["spec"];
    if (roll) {
      auto& image = spec["template"]["spec"]["containers"][0]["image"];
      const auto old = image.get<std::string>();
      image = old.substr(0, old.rfind(':')) + ":v2." + version + ".0";
      return true;
    }
    const auto replicas = spec.value("replicas", 1);
    if (!up && replicas <= 1) return false;
    spec["replicas"] = replicas + (up ? 1 : -1);
    return !up || replicas < 20;
  });
}

void Actors::fail_node() {
  std::size_t away = 0;
  for (const auto& [name, node] : nodes_) away += node.heard ? 0 : 1;
  if (nodes_.empty() || away > nodes_.size() / kNodesFailedShare) return;
  const auto name = pick(nodes_, random_)->first;
  const auto set = [this, name](bool heard) {
    const auto now = world_.clock().wall_now();
    const bool changed = cluster_.edit(kube::nodes(), {"", name}, "", [&](Json& json) {
      set_node_heard(json, heard, now);
      return true;
    });
    if (!changed) return;
    std::vector<std::pair<kube::ObjectKey, std::string>> on_node;
    for (const auto& [key, pod] : pods_) {
      if (pod.node == name) on_node.emplace_back(pod.key, pod.uid);
    }
    for (const auto& [key, uid] : on_node) {
      edit_pod(key, uid, [&](Json& json) { return set_pod_ready(json, heard, now); });
    }
  };
  set(false);
  plan("recover", {"", name}, seconds(15), seconds(45), [set] { set(true); });
}

}  // namespace podkeeper::simkube
