#include "tests/world/support/writers.h"

#include <chrono>
#include <iterator>
#include <string>
#include <utility>

namespace podkeeper::world {

using base::Task;

namespace {

constexpr const char* kTiers[] = {"backend", "frontend", "batch"};

std::string pod_key(std::uint64_t number) {
  return std::string(number % 2 == 0 ? "default" : "jobs") + "/p" + std::to_string(number);
}

Json node_status(bool ready, const std::string& since) {
  const Json condition = {{"type", "Ready"},
                          {"status", ready ? "True" : "False"},
                          {"reason", ready ? "KubeletReady" : "KubeletNotReady"},
                          {"lastTransitionTime", since}};
  Json status;
  status["conditions"].push_back(condition);
  return status;
}

}  // namespace

Writers::Writers(base::World& world, Model& model, WriterOptions options)
    : world_(world), model_(model), options_(options) {}

void Writers::populate() {
  for (std::size_t i = 0; i < options_.nodes; ++i) {
    const std::string name = "n" + std::to_string(i);
    model_.put(Model::kNodes, name,
               {{"metadata", {{"name", name}}}, {"status", node_status(true, now())}});
  }
  for (std::size_t i = 0; i < options_.pods; i += 2) create_pod(pod_key(i / 2));
  change_policy();
}

Task<void> Writers::run() {
  const auto mean = static_cast<std::uint64_t>(options_.pause.count());
  while (true) {
    auto sleeping = world_.clock().sleep_for(
        base::Duration(static_cast<std::int64_t>(1 + world_.random().below(2 * mean))));
    co_await std::move(sleeping);
    // Now and then many at once, as a rollout does it.
    const std::uint64_t changes = chance(10) == 0 ? 1 + chance(12) : 1;
    for (std::uint64_t i = 0; i < changes; ++i) change();
  }
}

void Writers::change() {
  const auto which = chance(100);
  if (which < 88) return change_pod();
  if (which < 96) return change_node();
  change_policy();
}

void Writers::create_pod(const std::string& key) {
  const auto slash = key.find('/');
  Json pod = {{"metadata",
               {{"name", key.substr(slash + 1)},
                {"namespace", key.substr(0, slash)},
                {"labels", {{"tier", kTiers[chance(std::size(kTiers))]}}}}},
              {"status", {{"phase", "Pending"}}}};
  pod["spec"]["containers"].push_back({{"name", "main"}});
  if (options_.fat > 0) pod["metadata"]["annotations"]["fat"] = std::string(options_.fat, 'f');
  if (chance(3) == 0) bind(pod);
  if (options_.poison && chance(4) == 0) add_poison(pod);
  model_.put(Model::kPods, key, std::move(pod));
}

void Writers::bind(Json& pod) {
  pod["spec"]["nodeName"] = "n" + std::to_string(chance(options_.nodes + 1));
  pod["status"]["startTime"] = now();
}

void Writers::move_labels(Json& pod) {
  pod["metadata"]["labels"]["tier"] = kTiers[chance(std::size(kTiers))];
}

/// Everything in it is legal JSON that an API server may store and send.
void Writers::add_poison(Json& pod) {
  switch (chance(5)) {
    case 0:
      pod["metadata"]["annotations"]["quotes"] = "\"\\\u2028\x01 {}[]\n\t,:";
      break;
    case 1:
      pod["metadata"]["annotations"]["long"] =
          std::string(500 + chance(std::uint64_t{1'000} << chance(6)), '\\');
      break;
    case 2:
      pod["spec"]["containers"][0]["resources"]["requests"] = {{"cpu", "0.1"}, {"memory", "1e3"}};
      pod["status"]["containerStatuses"] = nullptr;
      break;
    case 3:
      pod["metadata"]["labels"]["\u00fcmlaut"] = "";
      pod["status"]["conditions"] = Json::array();
      break;
    default: {
      Json deep = 1;
      for (int i = 0; i < 60; ++i) {
        Json around = Json::array();
        around.push_back(std::move(deep));
        deep = std::move(around);
      }
      pod["spec"]["resourceVersion"] = std::move(deep);
      break;
    }
  }
}

void Writers::change_pod() {
  const std::string key = pod_key(chance(options_.pods));
  const auto held = model_.find(Model::kPods, key);
  if (!held) return create_pod(key);
  Json pod = held->object;
  switch (chance(8)) {
    case 0:
      if (!pod["spec"].contains("nodeName")) bind(pod);
      pod["status"]["phase"] = "Running";
      break;
    case 1:
    case 2:
      pod["status"]["phase"] = "Running";
      pod["status"]["conditions"] = node_status(chance(2) == 0, now())["conditions"];
      break;
    case 3:
      move_labels(pod);
      break;
    case 4:
      pod["metadata"]["deletionTimestamp"] = now();
      pod["metadata"]["deletionGracePeriodSeconds"] = 30;
      break;
    case 5:
      model_.erase(Model::kPods, key);
      if (chance(2) == 0) create_pod(key);  // the same name, another uid
      return;
    case 6:
      pod["status"]["phase"] = chance(2) == 0 ? "Succeeded" : "Failed";
      break;
    default:
      pod["status"]["containerStatuses"] = Json::array();
      pod["status"]["containerStatuses"].push_back({{"name", "main"},
                                                    {"ready", false},
                                                    {"restartCount", chance(9)},
                                                    {"state", Json::object()}});
      break;
  }
  model_.put(Model::kPods, key, std::move(pod));
}

void Writers::change_node() {
  const std::string name = "n" + std::to_string(chance(options_.nodes));
  const auto held = model_.find(Model::kNodes, name);
  if (held && chance(8) == 0) {
    model_.erase(Model::kNodes, name);
    return;
  }
  Json node = held ? held->object : Json{{"metadata", {{"name", name}}}};
  node["status"] = node_status(chance(3) != 0, now());
  model_.put(Model::kNodes, name, std::move(node));
}

void Writers::change_policy() {
  const char* const tier = kTiers[chance(std::size(kTiers))];
  const std::string name = std::string("for-") + tier;
  const auto held = model_.find(Model::kPolicies, name);
  if (held && chance(5) == 0) {
    model_.erase(Model::kPolicies, name);
    return;
  }
  Json policy = held ? held->object : Json{{"metadata", {{"name", name}, {"generation", 0}}}};
  Json spec = {
      {"target", {{"resources", {"pods"}}, {"podSelector", {{"matchLabels", {{"tier", tier}}}}}}},
      {"strategy", kStrategies[chance(std::size(kStrategies))]}};
  if (policy.value("spec", Json()) == spec) return;
  policy["spec"] = std::move(spec);
  policy["metadata"]["generation"] = policy["metadata"]["generation"].get<int>() + 1;
  model_.put(Model::kPolicies, name, std::move(policy));
}

}  // namespace podkeeper::world
