#include "pkg/base/task_context.h"

#include "pkg/base/ref.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <source_location>
#include <string>
#include <thread>

namespace podkeeper::base {
namespace {

constexpr const char* kExample = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

Ref<TaskContext> task(std::uint64_t id) {
  return make_ref<TaskContext>(id, std::uint64_t{0}, "task", Handler::kHttp, MonotonicTime{},
                               std::source_location::current());
}

TEST(TraceContext, ReadsAndWritesATraceparent) {
  const auto trace = parse_traceparent(kExample);
  ASSERT_TRUE(trace.has_value());
  EXPECT_TRUE(trace->valid());
  EXPECT_EQ(trace->trace_id_hex(), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(trace->span_id_hex(), "b7ad6b7169203331");
  EXPECT_EQ(trace->flags, 1);
  EXPECT_EQ(trace->traceparent(), kExample);
}

TEST(TraceContext, ReadsWhatALaterVersionAppends) {
  const std::string rest = std::string(kExample).substr(2);
  EXPECT_TRUE(parse_traceparent("01" + rest + "-more").has_value());
  EXPECT_TRUE(parse_traceparent("fe" + rest).has_value());
}

TEST(TraceContext, IgnoresWhatTheStandardForbids) {
  const std::string good = kExample;
  const std::string rest = good.substr(2);
  for (const std::string& bad : {
           std::string(),
           good.substr(0, 54),
           good + "-more",  // version 00 has no more
           "01" + rest + "more",
           "ff" + rest,
           "0g" + rest,
           std::string("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"),
           std::string("00-00000000000000000000000000000000-b7ad6b7169203331-01"),
           std::string("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"),
           std::string("00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
           std::string("00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333z-01"),
           std::string("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x"),
       }) {
    EXPECT_FALSE(parse_traceparent(bad).has_value()) << bad;
  }
}

TEST(TraceContext, NoTraceIsNotValid) { EXPECT_FALSE(TraceContext{}.valid()); }

TEST(Handler, HasOneNameEach) {
  for (const Handler handler : kHandlers) EXPECT_EQ(parse_handler(to_string(handler)), handler);
  EXPECT_FALSE(parse_handler("unknown").has_value());
  EXPECT_FALSE(parse_handler("").has_value());
}

TEST(TaskScope, NestsAndMarksWhoRuns) {
  const auto outer = task(1);
  const auto inner = task(2);
  EXPECT_EQ(current_task(), nullptr);
  {
    const TaskScope a(outer.get());
    EXPECT_EQ(current_task(), outer.get());
    {
      const TaskScope b(inner.get());
      EXPECT_EQ(current_task(), inner.get());
      EXPECT_EQ(inner->state.load(), TaskContext::State::kRunning);
    }
    EXPECT_EQ(current_task(), outer.get());
    EXPECT_EQ(inner->state.load(), TaskContext::State::kWaiting);
    EXPECT_EQ(outer->state.load(), TaskContext::State::kRunning);
  }
  EXPECT_EQ(current_task(), nullptr);
}

TEST(TaskScope, IsOfItsThreadAlone) {
  const auto mine = task(1);
  const TaskScope scope(mine.get());
  std::jthread([] { EXPECT_EQ(current_task(), nullptr); }).join();
}

TEST(TaskContext, KeepsTraceAndRequestForOtherThreads) {
  const auto context = task(1);
  context->set_trace(parse_traceparent(kExample).value());
  context->set_request({"GET", "/api/v1/pods", "anna", "eu"});
  std::jthread([&] {
    EXPECT_EQ(context->trace().traceparent(), kExample);
    EXPECT_EQ(context->request().path, "/api/v1/pods");
  }).join();
}

TEST(TaskContext, GivesItsRequestAsACopy) {
  const auto context = task(1);
  context->set_request({"GET", "/api/v1/pods", "anna", "eu"});
  RequestFeatures mine = context->request();
  mine.user = "eve";
  EXPECT_EQ(context->request().user, "anna");
}

}  // namespace
}  // namespace podkeeper::base
