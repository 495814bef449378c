#pragma once

#include "pkg/base/result.h"
#include "pkg/http/message.h"
#include "pkg/state/pod_states.h"
#include "pkg/state/store.h"

#include <optional>
#include <string>

namespace podkeeper::api {

/// Reads `namespace node phase labelSelector fieldSelector limit continue sort` of /state/v1/pods.
/// `sort` is name, createdAt, lastTransitionAt or restarts, with a leading '-' for descending.
/// kInvalidArgument names the parameter, its value and what it may be; unknown parameters are
/// refused, since a misspelt filter would answer too much.
base::Result<state::PodStateQuery> parse_pod_query(const http::Target& target);
/// The same for /state/v1/nodes: `labelSelector fieldSelector limit continue`.
base::Result<state::ListQuery> parse_node_query(const http::Target& target);

/// Refuses every parameter, for what has none but those that say how current it has to be, which
/// have been taken out of the query.
base::Result<void> parse_no_query(const http::Target& target);

/// Where the next page starts, as an opaque text for `continue`.
std::string encode_position(const state::PodPosition& position);

inline constexpr std::int64_t kStateLimitMax = 1'000'000;

}  // namespace podkeeper::api
