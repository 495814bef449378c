#pragma once

#include <nlohmann/json.hpp>

#include <array>
#include <cstdint>
#include <string>

namespace podkeeper::proofs {

inline constexpr std::array<const char*, 6> kStrategies = {"Mutex",   "LockFree",    "SyncMap",
                                                           "RWMutex", "CopyOnWrite", "Sharded"};

/// The partitions that backend_policy() makes: of the pods' mirror and of their states.
inline constexpr std::array<const char*, 2> kBackendPartitions = {
    "pods~backend", "podstates.state.podkeeper.dev~backend"};

/// The body of a 200 to GET; throws on anything else.
std::string get(std::uint16_t port, const std::string& target);

/// A policy named "backend" for the pods with the label tier=backend.
nlohmann::json backend_policy(const std::string& strategy);
/// Writes to simkube; they throw when it refuses.
void create_policy(std::uint16_t simkube, const nlohmann::json& policy);
void set_strategy(std::uint16_t simkube, const std::string& strategy);

/// The policy "backend" as simkube has it.
nlohmann::json policy_object(std::uint16_t simkube);
/// Whether its status tells of its present generation, all three conditions included, and that
/// `strategy` is what runs.
bool status_is_of_now(const nlohmann::json& policy, const std::string& strategy);

/// What /state/v1/maps says of a partition; null when there is none.
nlohmann::json partition(std::uint16_t podkeeperd, const std::string& name);
/// Whether both partitions of the policy run `strategy`.
bool partitions_run(std::uint16_t podkeeperd, const std::string& strategy);

/// A sample of /metrics, 0 when there is none; `series` is its name with its labels.
double metric(std::uint16_t podkeeperd, const std::string& series);
/// The panics that /metrics counts.
double panics(std::uint16_t podkeeperd);

}  // namespace podkeeper::proofs
