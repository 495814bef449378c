#pragma once

#include "pkg/base/random.h"
#include "pkg/base/task_context.h"

#include <string_view>

namespace podkeeper::telemetry {

/// A trace that begins here: fresh ids, not sampled (flags 0).
base::TraceContext new_trace(base::Random& random);

/// A span of ours inside `parent`'s trace: same trace id and flags, its own span id. `parent` must
/// be valid.
base::TraceContext child_span(const base::TraceContext& parent, base::Random& random);

/// The span in which a request is handled: inside the caller's trace when its `traceparent` header
/// is well-formed, else a new trace, as https://www.w3.org/TR/trace-context/ asks.
base::TraceContext request_span(std::string_view traceparent, base::Random& random);

}  // namespace podkeeper::telemetry
