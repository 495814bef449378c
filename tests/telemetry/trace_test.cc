#include "pkg/telemetry/trace.h"

#include <gtest/gtest.h>

#include "tests/telemetry/fakes.h"

namespace podkeeper::telemetry {
namespace {

constexpr const char* kHeader = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(Trace, ContinuesTheCallersTraceInASpanOfItsOwn) {
  ListedRandom random({42});
  const auto span = request_span(kHeader, random);
  EXPECT_EQ(span.trace_id_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_NE(span.span_id_hex(), "00f067aa0ba902b7");
  EXPECT_EQ(span.flags, 1);
  EXPECT_TRUE(span.valid());
}

TEST(Trace, BeginsANewOneWhenTheHeaderIsMissingOrMalformed) {
  ListedRandom random({42});
  const auto first = request_span("", random);
  const auto second = request_span("00-XYZ-00f067aa0ba902b7-01", random);
  EXPECT_TRUE(first.valid());
  EXPECT_TRUE(second.valid());
  EXPECT_NE(first.trace_id, second.trace_id);
  EXPECT_EQ(first.flags, 0);
}

TEST(Trace, NeverHasTheIdThatMeansNone) {
  ListedRandom random({0, 0, 7, 0, 0, 9});
  const auto trace = new_trace(random);
  EXPECT_TRUE(trace.valid());
  EXPECT_EQ(trace.span_id_hex(), "0900000000000000");
}

}  // namespace
}  // namespace podkeeper::telemetry
