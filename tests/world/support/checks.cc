#include "tests/world/support/checks.h"

#include "pkg/controllers/derive.h"
#include "pkg/http/client.h"
#include "pkg/kube/decode.h"
#include "pkg/state/record.h"

#include <chrono>
#include <memory>
#include <utility>

#include "tests/world/support/client.h"
#include "tests/world/support/judge.h"

namespace podkeeper::world {

using base::Task;

namespace {

state::RecordRef record_of(const kube::Resource& resource, const VersionRef& version) {
  if (!version) return {};
  auto object = kube::decode_object(resource, version->text);
  if (!object) return {};
  return base::make_ref<const state::Record>(*std::move(object));
}

std::string check_list(const Model& model, const std::string& resource, const Json& list) {
  const Objects truth = model.now(resource);
  if (list.at("items").size() != truth.size()) {
    return std::to_string(list.at("items").size()) + " " + resource + " instead of " +
           std::to_string(truth.size());
  }
  for (const auto& item : list.at("items")) {
    const auto at = truth.find(key_of(item));
    if (at == truth.end()) return key_of(item) + " should be gone";
    Json bare = item;
    bare.erase("kind");
    bare.erase("apiVersion");
    if (bare != at->second->object) return key_of(item) + " is not what upstream holds";
  }
  return {};
}

/// Where a state differs from what is derived from upstream's objects at this time.
std::string check_state(const Model& model, const Json& state, kube::UnixSeconds now) {
  const std::string key = state.value("namespace", "") + "/" + state.value("name", "");
  const auto pod = record_of(kube::pods(), model.find(Model::kPods, key));
  if (!pod) return "the state of " + key + " should be gone";
  const std::string name(pod->node());
  const auto node =
      name.empty() ? state::RecordRef{} : record_of(kube::nodes(), model.find(Model::kNodes, name));
  const auto derived = controllers::derive(pod, node.get(), now, {}).state;
  if (!derived) return "the state of " + key + " should have expired";
  const Json wanted = {{"uid", derived->uid()},
                       {"node", derived->node()},
                       {"phase", derived->phase()},
                       {"reason", derived->reason},
                       {"ready", derived->ready},
                       {"restarts", derived->restarts()},
                       {"terminating", derived->terminating},
                       {"nodeLost", derived->node_lost},
                       {"stuckReason", state::to_string(derived->stuck)},
                       {"revision", kube::to_string(derived->revision())}};
  for (const auto& [member, value] : wanted.items()) {
    if (state.value(member, Json()) != value) {
      return "the state of " + key + " says " + member + " " + state.value(member, Json()).dump() +
             " instead of " + value.dump();
    }
  }
  return {};
}

std::string check_maps(const Model& model, const Json& maps) {
  for (const auto& [name, policy] : model.now(Model::kPolicies)) {
    const std::string partition = "pods~" + name;
    bool found = false;
    for (const auto& map : maps.at("items")) {
      if (map.value("partition", "") != partition) continue;
      found = true;
      if (Json(map.value("strategy", "")) != policy->object["spec"]["strategy"]) {
        return partition + " runs " + map.value("strategy", "");
      }
    }
    if (!found) return "there is no partition " + partition;
  }
  return {};
}

}  // namespace

Task<std::string> check_replica(base::World& world, telemetry::Metrics& metrics, const Model& model,
                                std::size_t number) {
  http::ClientOptions options;
  options.endpoint = {.host = "127.0.0.1",
                      .port = static_cast<std::uint16_t>(kFirstReplicaPort + number)};
  options.user_agent = "check";
  http::Client client(world, metrics, std::move(options));
  for (const char* const resource : {Model::kPods, Model::kNodes}) {
    auto listing = get(world, client, std::string("/api/v1/") + resource);
    const auto list = co_await std::move(listing);
    if (list.status != 200) co_return "no list of " + std::string(resource);
    auto wrong = check_list(model, resource, list.body);
    if (!wrong.empty()) co_return wrong;
  }
  auto getting = get(world, client, "/state/v1/pods");
  const auto states = co_await std::move(getting);
  if (states.status != 200) co_return "no states";
  const auto pods = model.now(Model::kPods).size();
  if (states.body.at("items").size() != pods) {
    co_return std::to_string(states.body.at("items").size()) + " states of " +
        std::to_string(pods) + " pods";
  }
  const auto now = std::chrono::floor<std::chrono::seconds>(world.clock().wall_now());
  for (const auto& state : states.body.at("items")) {
    auto wrong = check_state(model, state, now.time_since_epoch().count());
    if (!wrong.empty()) co_return wrong;
  }
  auto asking = get(world, client, "/state/v1/maps");
  const auto maps = co_await std::move(asking);
  if (maps.status != 200) co_return "no maps";
  co_return check_maps(model, maps.body);
}

std::string check_policies(const Model& model, std::size_t instances) {
  for (const auto& [name, policy] : model.now(Model::kPolicies)) {
    const Json status = policy->object.value("status", Json::object());
    if (status.value("observedGeneration", 0) != policy->object["metadata"]["generation"]) {
      return "no leader told of the generation of " + name;
    }
    const auto entries = status.value("instances", Json::array()).size();
    if (entries < instances) return "only " + std::to_string(entries) + " told of " + name;
  }
  return {};
}

}  // namespace podkeeper::world
