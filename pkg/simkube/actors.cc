#include "pkg/simkube/actors.h"

#include "pkg/simkube/manifests.h"
#include "pkg/simkube/population.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace podkeeper::simkube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kEventsPerLook = 256;
constexpr std::size_t kStepsPerTurn = 256;
/// The thread is the connections' too: a turn begins no step after this.
constexpr auto kTurn = milliseconds(5);

enum Watched : std::size_t { kPodsCursor, kNodesCursor, kDeploymentsCursor };

}  // namespace

Actors::Actors(base::World& world, Cluster& cluster, ActorOptions options)
    : world_(world),
      cluster_(cluster),
      random_(options.seed ^ 0x61637473),
      wakeup_(world.clock()),
      churn_for_(options.churn_for),
      churn_(options.churn) {
  access::LoopbackAuthorizer authorizer;
  for (const auto* resource : {&kube::pods(), &kube::nodes(), &kube::deployments()}) {
    auto proof = authorizer.read("", {resource->plural_group(), ""});
    cursors_.emplace_back(cluster.reader(*resource), std::move(proof.value()));
  }
}

base::Task<void> Actors::run() {
  std::vector<runtime::WakeupList::Subscription> subscriptions;
  subscriptions.reserve(cursors_.size());
  for (const auto& cursor : cursors_) subscriptions.push_back(cursor.reader.subscribe(wakeup_));
  budgeted_ = world_.clock().now();
  const auto end =
      churn_for_ > base::Duration::zero() ? budgeted_ + churn_for_ : base::MonotonicTime::max();
  learn_all();
  for (auto now = budgeted_; now < end; now = world_.clock().now()) {
    observe();
    timeline_.run_due(now, [&, steps = std::size_t{0}]() mutable {
      const bool first = steps++ == 0;
      return first || (steps <= kStepsPerTurn && world_.clock().now() - now < kTurn);
    });
    const auto next = std::min({take_initiatives(now), timeline_.next(), end});
    co_await wakeup_.wait_until(next);
    // A wait does not let go of the thread when its wakeup has come already, as it has after any
    // step; whoever is behind with its steps would never answer a request again.
    auto turn = world_.clock().sleep_for({});
    co_await std::move(turn);
  }
}

void Actors::set_churn(double churn) {
  churn_.store(churn, std::memory_order_relaxed);
  wakeup_.notify();
}

base::Duration Actors::between(base::Duration min, base::Duration spread) {
  return min + base::Duration(random_.below(static_cast<std::uint64_t>(spread.count()) + 1));
}

void Actors::learn_all() {
  pods_.clear();
  nodes_.clear();
  deployments_.clear();
  std::vector<std::vector<state::RecordRef>> content;
  for (auto& cursor : cursors_) {
    auto all = cursor.reader.list_and_position(cursor.allowed, {});
    content.emplace_back();
    if (!all) continue;
    cursor.position = all->position;
    content.back() = std::move(all->list.records);
  }
  for (const auto& record : content[kNodesCursor]) learn_node(record->object());
  for (const auto& record : content[kDeploymentsCursor]) {
    const auto& object = record->object();
    deployments_[object.key_text] = {std::string(object.namespace_()), std::string(object.name())};
  }
  for (const auto& record : content[kPodsCursor]) {
    pods_[record->object().key_text] = view_of(record->object());
  }
  addresses_ = std::max<std::uint64_t>(addresses_, pods_.size());
}

void Actors::catch_up() {
  learn_all();
  for (const auto& [name, key] : deployments_) plan_rollout(name);
  for (const auto& [name, pod] : pods_) react(pod);
}

void Actors::observe() {
  for (std::size_t which = 0; which < cursors_.size(); ++which) {
    auto& cursor = cursors_[which];
    while (true) {
      const auto events = cursor.reader.events(cursor.allowed, cursor.position, kEventsPerLook);
      if (!events) return catch_up();
      if (events->empty()) break;
      cursor.position += events->size();
      budget_ -= static_cast<double>(events->size());
      for (const auto& event : *events) {
        const auto& object = event->object->object();
        const bool gone = event->type == kube::EventType::kDeleted;
        if (which == kPodsCursor) {
          learn_pod(object, gone);
        } else if (which == kNodesCursor) {
          gone ? void(nodes_.erase(object.key_text)) : learn_node(object);
        } else {
          if (!gone)
            deployments_[object.key_text] = {std::string(object.namespace_()),
                                             std::string(object.name())};
          plan_rollout(object.key_text);
        }
      }
    }
  }
}

void Actors::learn_node(const kube::Object& object) {
  const auto* node = object.node();
  if (node == nullptr) return;
  nodes_[object.key_text] = {std::string(node->internal_ip), node->ready != "Unknown"};
}

Actors::Pod Actors::view_of(const kube::Object& object) const {
  Pod pod;
  pod.key = {std::string(object.namespace_()), std::string(object.name())};
  pod.uid = object.uid;
  pod.deleting = object.deleted != 0;
  pod.job = object.label("batch.kubernetes.io/job-name").has_value();
  pod.hash = object.label("pod-template-hash").value_or("");
  if (const auto at = pod.key.name.rfind("-" + pod.hash + "-");
      !pod.hash.empty() && at != std::string::npos) {
    const auto owner = pod.key.namespace_ + "/" + pod.key.name.substr(0, at);
    if (deployments_.contains(owner)) pod.deployment = owner;
  }
  if (const auto* fields = object.pod()) {
    pod.node = fields->node_name;
    pod.phase = fields->phase;
    pod.ready = fields->ready_condition;
  }
  return pod;
}

void Actors::learn_pod(const kube::Object& object, bool gone) {
  const auto view = view_of(object);
  if (!view.deployment.empty()) plan_rollout(view.deployment);
  if (gone) {
    pods_.erase(object.key_text);
    return;
  }
  pods_[object.key_text] = view;
  react(view);
}

void Actors::plan(const std::string& act, const kube::ObjectKey& key, base::Duration min,
                  base::Duration spread, std::function<void()> step) {
  const auto when = world_.clock().now() + between(min, spread);
  timeline_.plan(when, act + ":" + to_string(key), std::move(step));
}

/// What the scheduler and the pod's kubelet do next about it; a step that finds the pod in another
/// state does nothing.
void Actors::react(const Pod& pod) {
  const auto key = pod.key;
  const auto uid = pod.uid;
  if (pod.deleting) {
    plan("finish", key, seconds(1), seconds(2), [this, key, uid] { finish(key, uid); });
  } else if (pod.node.empty()) {
    plan("schedule", key, milliseconds(10), milliseconds(200),
         [this, key, uid] { schedule(key, uid); });
  } else if (pod.phase == "Pending") {
    plan("start", key, milliseconds(500), seconds(2), [this, key, uid] { start(key, uid); });
  } else if (pod.phase == "Running" && pod.job) {
    const bool success = random_.below(10) != 0;
    plan("complete", key, seconds(3), seconds(20), [this, key, uid, success] {
      edit_pod(key, uid,
               [&](Json& json) { return complete_pod(json, success, world_.clock().wall_now()); });
    });
  } else if (pod.phase == "Running" && !pod.ready) {
    plan("ready", key, seconds(1), seconds(5), [this, key, uid] {
      const auto now = world_.clock().wall_now();
      const auto node =
          nodes_.find(pods_.contains(to_string(key)) ? pods_[to_string(key)].node : "");
      if (node != nodes_.end() && !node->second.heard) return;  // nobody reports: it stays as it is
      edit_pod(key, uid, [&](Json& json) {
        return restart_pod(json, now) || set_pod_ready(json, true, now);
      });
    });
  } else if (pod.job) {
    plan("reap", key, seconds(20), seconds(40), [this, key] {
      (void)cluster_.remove(
          kube::pods(), key,
          {.grace_seconds = 0, .uid = {}, .resource_version = {}, .dry_run = false});
    });
  }
}

void Actors::schedule(const kube::ObjectKey& key, const std::string& uid) {
  std::vector<const std::string*> free;
  for (const auto& [name, node] : nodes_) {
    if (node.heard) free.push_back(&name);
  }
  if (free.empty()) {  // unschedulable: look again
    plan("schedule", key, seconds(1), seconds(1), [this, key, uid] { schedule(key, uid); });
    return;
  }
  const auto& node = *free[random_.below(free.size())];
  edit_pod(key, uid,
           [&](Json& json) { return schedule_pod(json, node, world_.clock().wall_now()); });
}

void Actors::start(const kube::ObjectKey& key, const std::string& uid) {
  const auto held = pods_.find(to_string(key));
  if (held == pods_.end()) return;
  const auto node = nodes_.find(held->second.node);
  const std::string host = node == nodes_.end() ? "" : node->second.address;
  const auto address = pod_address(++addresses_);
  edit_pod(key, uid,
           [&](Json& json) { return start_pod(json, address, host, world_.clock().wall_now()); });
}

void Actors::finish(const kube::ObjectKey& key, const std::string& uid) {
  const auto held = pods_.find(to_string(key));
  if (held == pods_.end()) return;
  const auto node = nodes_.find(held->second.node);
  if (node != nodes_.end() && !node->second.heard) {  // its kubelet is away: it stays Terminating
    plan("finish", key, seconds(2), seconds(2), [this, key, uid] { finish(key, uid); });
    return;
  }
  cluster_.forget(kube::pods(), key, uid);
}

}  // namespace podkeeper::simkube
