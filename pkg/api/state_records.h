#pragma once

#include "pkg/base/result.h"
#include "pkg/state/pod_states.h"
#include "pkg/state/store.h"
#include "pkg/state/summary.h"

#include <string>
#include <string_view>

namespace podkeeper::api {

inline constexpr std::string_view kStateApiVersion = "state.podkeeper.dev/v1";

/// The JSON of /state, as text. Each is one object without a newline.
std::string pod_state_json(const state::PodState& state, const state::Freshness& freshness);
std::string pod_state_list_json(const state::PodStateList& list, const state::Freshness& freshness,
                                const std::string& continue_token);
std::string node_state_json(const state::Record& node, const state::Freshness& freshness);
std::string node_state_list_json(const state::ListResult& list, const std::string& continue_token);
std::string summary_json(const state::ClusterSummary& summary, const state::Freshness& pods);
std::string error_json(const base::Error& error);

}  // namespace podkeeper::api
