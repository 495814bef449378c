// Five minutes of churn while every connection is cut again and again: 500 changes a second in the
// cluster, 50 watchers of which 5 watch everything, all of podkeeperd's upstream connections cut
// every 2 s. When the churn has ended, the replica, the PodState map and every watcher that saw
// everything equal a fresh LIST of the cluster itself.

#include <deque>
#include <iostream>

#include "tests/proofs/support/cluster.h"
#include "tests/proofs/support/json_digest.h"
#include "tests/proofs/support/raw_http.h"
#include "tests/proofs/support/watcher.h"

namespace podkeeper::proofs {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kWatchersOfAll = 5;
constexpr int kWatchers = 50;

/// The body of a 200; asks again when the connection is cut, as simkube's are.
std::string get(std::uint16_t port, const std::string& target) {
  RawResponse response;
  eventually("GET " + target + " is answered whole", std::chrono::seconds(20), [&] {
    response = raw_request(port, target);
    return response.complete;
  });
  require(response.status == 200,
          "GET " + target + " was answered " + std::to_string(response.status));
  return response.body;
}

std::uint64_t list_revision(std::uint16_t port) {
  const auto list = json::parse(get(port, "/api/v1/pods?limit=1"));
  return std::stoull(list.at("metadata").at("resourceVersion").get<std::string>());
}

/// What /state says of each pod, next to what the pod itself says: read from the object's own JSON,
/// not through any of podkeeper's decoding.
std::string pod_state_difference(const std::string& pods_json, const std::string& states_json) {
  std::map<std::string, json> states;
  const json list = json::parse(states_json);
  for (const json& state : list.at("items")) {
    states[state.at("namespace").get<std::string>() + "/" + state.at("name").get<std::string>()] =
        state;
  }
  const json pods = json::parse(pods_json);
  if (pods.at("items").size() != states.size()) {
    return std::to_string(states.size()) + " states of " + std::to_string(pods.at("items").size()) +
           " pods";
  }
  for (const json& pod : pods.at("items")) {
    const auto found = states.find(object_key(pod));
    if (found == states.end()) return "no state of " + object_key(pod);
    const json& state = found->second;
    const json& status = pod.at("status");
    std::uint32_t ready = 0;
    std::uint32_t restarts = 0;
    for (const json& container : status.value("containerStatuses", json::array())) {
      ready += container.value("ready", false) ? 1 : 0;
      restarts += container.value("restartCount", 0U);
    }
    const bool equal = state.at("phase") == status.value("phase", "") &&
                       state.at("uid") == pod.at("metadata").at("uid") &&
                       state.at("revision") == pod.at("metadata").at("resourceVersion") &&
                       state.at("node") == pod.at("spec").value("nodeName", "") &&
                       state.at("readyContainers") == ready && state.at("restarts") == restarts &&
                       state.at("terminating") == pod.at("metadata").contains("deletionTimestamp");
    if (!equal) return object_key(pod) + " is " + state.dump();
  }
  return "";
}

double metric(std::uint16_t port, const std::string& name_and_labels) {
  const std::string text = get(port, "/metrics");
  const std::size_t at = text.find("\n" + name_and_labels + " ");
  return at == std::string::npos ? 0 : std::stod(text.substr(at + name_and_labels.size() + 2));
}

/// What podkeeperd heard from the cluster, bookmarks left out.
double upstream_events(std::uint16_t port) {
  double sum = 0;
  for (const char* resource : {"pods", "nodes"}) {
    for (const char* type : {"ADDED", "MODIFIED", "DELETED"}) {
      sum += metric(port, "podkeeper_reflector_events_total{resource=\"" + std::string(resource) +
                              "\",type=\"" + type + "\"}");
    }
  }
  return sum;
}

void check_end_state(const Simkube& simkube, const Podkeeperd& podkeeperd,
                     std::deque<Watcher>& watchers) {
  std::uint64_t revision = 0;
  eventually("the cluster comes to rest", std::chrono::seconds(120), [&] {
    const std::uint64_t before = std::exchange(revision, list_revision(simkube.port));
    pause(std::chrono::milliseconds(500));
    return before == revision && revision == list_revision(simkube.port);
  });
  const std::string truth = get(simkube.port, "/api/v1/pods");
  const DigestMap expected = digest_list(truth);
  eventually("the replica holds what the cluster holds", std::chrono::seconds(60),
             [&] { return digest_list(get(podkeeperd.api_port, "/api/v1/pods")) == expected; });
  eventually("the pod states are derived from it", std::chrono::seconds(30), [&] {
    return pod_state_difference(truth, get(podkeeperd.api_port, "/state/v1/pods")).empty();
  });
  for (int i = 0; i < kWatchersOfAll; ++i) {
    Watcher& watcher = watchers[static_cast<std::size_t>(i)];
    eventually("a watcher of everything has seen everything", std::chrono::seconds(60),
               [&] { return watcher.objects() == expected || !watcher.violation().empty(); });
  }
  for (Watcher& watcher : watchers) require(watcher.violation().empty(), watcher.violation());
}

ordered_json prove(const Options& options) {
  const int seconds = options.small ? 20 : 300;
  const Simkube simkube({"--nodes=200", "--pods=3000", "--churn=900", "--cut-every=2s",
                         "--churn-for=" + std::to_string(seconds) + "s",
                         "--seed=" + std::to_string(options.seed)});
  const Podkeeperd podkeeperd({"--apiserver=http://127.0.0.1:" + std::to_string(simkube.port)});
  podkeeperd.wait_ready(std::chrono::seconds(60));
  std::deque<Watcher> watchers;
  for (int i = 0; i < kWatchers; ++i) {
    const std::string selector = i < kWatchersOfAll ? ""
                                                    : "fieldSelector=spec.nodeName%3Dnode-" +
                                                          std::to_string(i - kWatchersOfAll);
    watchers.emplace_back(podkeeperd.api_port, selector, i % 2 == 0 ? 400 : 0);
  }
  const double cpu = podkeeperd.process->cpu_seconds();
  pause(std::chrono::seconds(seconds));
  ordered_json figures;
  figures["podkeeperdCpuSecondsDuringChurn"] = podkeeperd.process->cpu_seconds() - cpu;
  check_end_state(simkube, podkeeperd, watchers);
  std::uint64_t events = 0;
  std::uint64_t deletions = 0;
  std::uint64_t relists = 0;
  for (Watcher& watcher : watchers) {
    events += watcher.events();
    deletions += watcher.deletions();
    relists += watcher.relists() - 1;
  }
  const double upstream = upstream_events(podkeeperd.api_port);
  figures["seconds"] = seconds;
  figures["upstreamEvents"] = upstream;
  figures["upstreamEventsPerSecond"] = upstream / seconds;
  figures["watchers"] = kWatchers;
  figures["eventsDelivered"] = events;
  figures["deletionsDelivered"] = deletions;
  figures["watcherRelists"] = relists;
  figures["upstreamWatchesEnded"] = metric(
      podkeeperd.api_port, "podkeeper_reflector_watches_total{resource=\"pods\",result=\"error\"}");
  figures["rssMiB"] = static_cast<double>(podkeeperd.process->rss_bytes()) / (1 << 20);
  require(upstream > seconds * 100.0, "the cluster hardly changed");
  for (Watcher& watcher : watchers) watcher.request_stop();
  watchers.clear();
  podkeeperd.stop();
  return figures;
}

}  // namespace
}  // namespace podkeeper::proofs

int main(int argc, char** argv) {
  return podkeeper::proofs::run_proof(argc, argv, podkeeper::proofs::prove);
}
