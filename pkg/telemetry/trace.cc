#include "pkg/telemetry/trace.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace podkeeper::telemetry {
namespace {

/// Random bytes, not all zero: that id means "none".
void fill(std::span<std::uint8_t> id, base::Random& random) {
  do {
    for (std::size_t at = 0; at < id.size(); at += sizeof(std::uint64_t)) {
      const std::uint64_t bits = random.next();
      std::memcpy(id.data() + at, &bits, std::min(sizeof bits, id.size() - at));
    }
  } while (std::ranges::all_of(id, [](std::uint8_t byte) { return byte == 0; }));
}

}  // namespace

base::TraceContext new_trace(base::Random& random) {
  base::TraceContext trace;
  fill(trace.trace_id, random);
  fill(trace.span_id, random);
  return trace;
}

base::TraceContext child_span(const base::TraceContext& parent, base::Random& random) {
  base::TraceContext span = parent;
  fill(span.span_id, random);
  return span;
}

base::TraceContext request_span(std::string_view traceparent, base::Random& random) {
  const auto caller = base::parse_traceparent(traceparent);
  return caller.has_value() ? child_span(*caller, random) : new_trace(random);
}

}  // namespace podkeeper::telemetry
