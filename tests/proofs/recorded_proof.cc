// Recorded real input: podkeeperd mirrors a simkube that serves the recorded 10,000 pods and 500
// nodes, and every object it then serves equals the recorded one. nlohmann-json reads both sides;
// the mirror itself is parsed by simdjson.

#include <iostream>
#include <unordered_map>

#include "tests/proofs/support/cluster.h"
#include "tests/proofs/support/raw_http.h"

namespace podkeeper::proofs {
namespace {

using nlohmann::ordered_json;
using Json = nlohmann::ordered_json;

std::string key_of(const Json& object) {
  const Json& metadata = object.at("metadata");
  return metadata.value("namespace", "") + "/" + metadata.at("name").get<std::string>();
}

/// Compares the list that podkeeperd serves with the recorded one: each object equal member by
/// member and in the order of its members.
std::size_t compare_list(const Json& recorded, std::uint16_t port, const std::string& path) {
  const RawResponse response = raw_request(port, path);
  require(response.status == 200 && response.complete,
          path + " answered " + std::to_string(response.status));
  const Json served = Json::parse(response.body);
  require(served.at("kind") == recorded.at("kind"), path + " serves another kind");
  std::unordered_map<std::string, const Json*> by_key;
  for (const Json& item : served.at("items")) {
    require(by_key.emplace(key_of(item), &item).second,
            path + " serves " + key_of(item) + " twice");
  }
  const Json& expected = recorded.at("items");
  require(by_key.size() == expected.size(), path + " serves " + std::to_string(by_key.size()) +
                                                " of " + std::to_string(expected.size()) +
                                                " objects");
  for (const Json& item : expected) {
    const auto found = by_key.find(key_of(item));
    require(found != by_key.end(), path + " lacks " + key_of(item));
    require(*found->second == item, path + " serves " + key_of(item) + " differently");
  }
  return by_key.size();
}

/// Every `step`-th object by GET, which adds the head that list items lack.
std::size_t compare_single(const Json& recorded, std::uint16_t port, const std::string& kind,
                           std::size_t step) {
  std::size_t compared = 0;
  const Json& items = recorded.at("items");
  for (std::size_t i = 0; i < items.size(); i += step) {
    const Json& metadata = items[i].at("metadata");
    const std::string ns = metadata.contains("namespace")
                               ? "/namespaces/" + metadata.at("namespace").get<std::string>()
                               : "";
    const std::string path = "/api/v1" + ns + (kind == "Pod" ? "/pods/" : "/nodes/") +
                             metadata.at("name").get<std::string>();
    Json expected = {{"kind", kind}, {"apiVersion", "v1"}};
    for (const auto& [name, value] : items[i].items()) expected[name] = value;
    require(Json::parse(raw_request(port, path).body) == expected, path + " is served differently");
    ++compared;
  }
  return compared;
}

ordered_json prove(const Options& options) {
  const std::string pods_file = data_file("pods-10k.json.gz");
  const std::string nodes_file = data_file("nodes-500.json.gz");
  const Json pods = Json::parse(read_gzip(pods_file));
  const Json nodes = Json::parse(read_gzip(nodes_file));
  const Simkube simkube(
      {"--nodes=0", "--pods=0", "--churn=0", "--load=" + pods_file, "--load=" + nodes_file});
  const auto started = std::chrono::steady_clock::now();
  const Podkeeperd podkeeperd({"--apiserver=http://127.0.0.1:" + std::to_string(simkube.port)});
  podkeeperd.wait_ready(std::chrono::seconds(60));
  const double ready_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  const double cpu = podkeeperd.process->cpu_seconds();
  const auto rss = podkeeperd.process->rss_bytes();

  ordered_json figures;
  figures["pods"] = compare_list(pods, podkeeperd.api_port, "/api/v1/pods");
  figures["nodes"] = compare_list(nodes, podkeeperd.api_port, "/api/v1/nodes");
  const std::size_t step = options.small ? 100 : 1;
  figures["podsByGet"] = compare_single(pods, podkeeperd.api_port, "Pod", step);
  figures["nodesByGet"] = compare_single(nodes, podkeeperd.api_port, "Node", step);
  const ordered_json summary =
      ordered_json::parse(raw_request(podkeeperd.api_port, "/state/v1/summary").body);
  figures["podStates"] = summary.at("pods").at("total");
  require(figures["podStates"] == figures["pods"],
          "/state/v1/summary counts other pods than the mirror");
  figures["syncCpuSeconds"] = cpu;
  figures["syncWallSeconds"] = ready_seconds;
  figures["rssMiB"] = static_cast<double>(rss) / (1 << 20);
  figures["peakRssMiB"] = static_cast<double>(podkeeperd.process->peak_rss_bytes()) / (1 << 20);
  podkeeperd.stop();
  return figures;
}

}  // namespace
}  // namespace podkeeper::proofs

int main(int argc, char** argv) {
  return podkeeper::proofs::run_proof(argc, argv, podkeeper::proofs::prove);
}
