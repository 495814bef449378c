#include "tests/proofs/support/policies.h"

#include <algorithm>
#include <sstream>

#include "tests/proofs/support/proof.h"
#include "tests/proofs/support/raw_http.h"

namespace podkeeper::proofs {
namespace {

using nlohmann::json;

constexpr const char* kPolicies = "/apis/podkeeper.dev/v1alpha1/concurrentmappolicies";

void write(std::uint16_t port, const char* method, const std::string& target,
           const std::string& media_type, const json& body) {
  const RawResponse response =
      raw_request(port, target, method, "Content-Type: " + media_type + "\r\n", body.dump());
  require(response.status == 200 || response.status == 201,
          std::string(method) + " " + target + " was answered " + std::to_string(response.status) +
              ": " + response.body);
}

}  // namespace

std::string get(std::uint16_t port, const std::string& target) {
  const RawResponse response = raw_request(port, target);
  require(response.status == 200 && response.complete,
          "GET " + target + " was answered " + std::to_string(response.status));
  return response.body;
}

json backend_policy(const std::string& strategy) {
  return {{"apiVersion", "podkeeper.dev/v1alpha1"},
          {"kind", "ConcurrentMapPolicy"},
          {"metadata", {{"name", "backend"}}},
          {"spec",
           {{"target",
             {{"resources", {"pods"}}, {"podSelector", {{"matchLabels", {{"tier", "backend"}}}}}}},
            {"strategy", strategy}}}};
}

void create_policy(std::uint16_t simkube, const json& policy) {
  write(simkube, "POST", kPolicies, "application/json", policy);
}

void set_strategy(std::uint16_t simkube, const std::string& strategy) {
  write(simkube, "PATCH", std::string(kPolicies) + "/backend", "application/merge-patch+json",
        {{"spec", {{"strategy", strategy}}}});
}

json policy_object(std::uint16_t simkube) {
  return json::parse(get(simkube, std::string(kPolicies) + "/backend"));
}

bool status_is_of_now(const json& policy, const std::string& strategy) {
  const json& generation = policy.at("metadata").at("generation");
  const json status = policy.value("status", json::object());
  const json conditions = status.value("conditions", json::array());
  return status.value("activeStrategy", "") == strategy &&
         status.value("observedGeneration", 0) == generation && conditions.size() == 3 &&
         std::ranges::all_of(conditions, [&](const json& condition) {
           return condition.at("status") == "True" &&
                  condition.at("observedGeneration") == generation;
         });
}

json partition(std::uint16_t podkeeperd, const std::string& name) {
  for (const json& item : json::parse(get(podkeeperd, "/state/v1/maps")).at("items")) {
    if (item.at("partition") == name) return item;
  }
  return nullptr;
}

bool partitions_run(std::uint16_t podkeeperd, const std::string& strategy) {
  return std::ranges::all_of(kBackendPartitions, [&](const char* name) {
    const json found = partition(podkeeperd, name);
    return !found.is_null() && found.at("strategy") == strategy;
  });
}

double metric(std::uint16_t podkeeperd, const std::string& series) {
  const std::string text = get(podkeeperd, "/metrics");
  const std::size_t at = text.find("\n" + series + " ");
  return at == std::string::npos ? 0 : std::stod(text.substr(at + series.size() + 2));
}

double panics(std::uint16_t podkeeperd) {
  double sum = 0;
  std::istringstream text(get(podkeeperd, "/metrics"));
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("podkeeper_panics_total{")) sum += std::stod(line.substr(line.rfind(' ')));
  }
  return sum;
}

}  // namespace podkeeper::proofs
