#include "pkg/recovery/guard.h"

#include "pkg/base/panic.h"
#include "pkg/recovery/panic_report.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/faults/record.h"

namespace podkeeper::recovery {
namespace {

using base::ErrorCode;
using base::Handler;
using base::PanicKind;
using testing::HasSubstr;
using testing::IsEmpty;

struct NullWhat : std::exception {
  [[nodiscard]] const char* what() const noexcept override { return nullptr; }
};
struct Unknown {};

/// Runs `f` under a guard and gives the report of its panic.
template <class F>
PanicReport report_of(F f) {
  const auto before = PanicRecorder::instance().total();
  const auto result = guard(Handler::kHttp, f);
  EXPECT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kInternal);
  EXPECT_EQ(PanicRecorder::instance().total(), before + 1);
  return PanicRecorder::instance().last().front();
}

TEST(Guard, GivesWhatTheFunctionReturns) {
  EXPECT_EQ(guard(Handler::kHttp, [] { return 7; }), 7);
  EXPECT_TRUE(guard(Handler::kHttp, [] {}).has_value());
}

TEST(Guard, TellsTypeAndMessageOfEveryKindOfException) {
  struct Case {
    std::function<void()> thrower;
    const char* type;
    const char* message;
  };
  const Case cases[] = {
      {[] { throw std::runtime_error("no luck"); }, "std::runtime_error", "no luck"},
      {[] { throw 42; }, "int", "42"},
      {[] { throw -1L; }, "long", "-1"},
      {[] { throw true; }, "bool", "true"},
      {[] { throw "text"; }, "char const*", "text"},
      {[] { throw static_cast<const char*>(nullptr); }, "char const*", "(null)"},
      {[] { throw std::string("words"); },
       "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >", "words"},
      {[] { throw NullWhat{}; }, "podkeeper::recovery::(anonymous namespace)::NullWhat", "(null)"},
      {[] { throw Unknown{}; }, "podkeeper::recovery::(anonymous namespace)::Unknown",
       "(a value that is not a std::exception, a string or a number)"},
      {[] { (void)std::vector<int>{}.at(3); }, "std::out_of_range",
       "vector::_M_range_check: __n (which is 3) >= this->size() (which is 0)"},
      {[] { std::rethrow_exception(std::make_exception_ptr(5U)); }, "unsigned int", "5"},
      {[] { throw boost::system::system_error(boost::asio::error::eof); },
       "boost::system::system_error", "End of file [asio.misc:2]"},
  };
  for (const Case& c : cases) {
    const PanicReport report = report_of(c.thrower);
    EXPECT_EQ(report.type, c.type);
    EXPECT_EQ(report.message, c.message);
    EXPECT_EQ(report.kind, PanicKind::kException);
    EXPECT_EQ(report.handler, Handler::kHttp);
  }
  faults::record(
      {.row = 39,
       .outcome =
           "exceptions, ints, null texts and unknown types are all reported with type and message",
       .evidence = "podkeeper_panics_total; panic_recovered",
       .recovery = {}});
}

TEST(Guard, TellsKindAndPlaceOfAFailedCheck) {
  const PanicReport invariant = report_of([] { PK_CHECK(1 > 2, "arithmetic broke"); });
  EXPECT_EQ(invariant.kind, PanicKind::kInvariant);
  EXPECT_EQ(invariant.message, "check failed: 1 > 2: arithmetic broke");
  EXPECT_THAT(invariant.where, HasSubstr("guard_test.cc:"));
  const PanicReport misuse =
      report_of([] { throw base::Panic(PanicKind::kMisuse, "erased while iterating"); });
  EXPECT_EQ(misuse.kind, PanicKind::kMisuse);
  EXPECT_EQ(misuse.message, "erased while iterating");
}

TEST(Guard, CutsAMessageThatIsTooLong) {
  const PanicReport report = report_of([] { throw std::string(100'000, 'x'); });
  EXPECT_EQ(report.message.size(), PanicReport::kMessageBytesMax + 3);
}

TEST(Guard, DoesNotTellTheMessageToTheCaller) {
  const auto result = guard(Handler::kTimer, [] { throw std::runtime_error("token=canary"); });
  EXPECT_EQ(result.error().message, "internal error, panic " +
                                        std::to_string(PanicRecorder::instance().total()) +
                                        " in handler timer");
}

TEST(Guard, TakesAStopForCancelledAndNotForAPanic) {
  const auto before = PanicRecorder::instance().total();
  const auto result = guard(Handler::kHttp, [] {
    throw boost::system::system_error(boost::asio::error::operation_aborted);
  });
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(PanicRecorder::instance().total(), before);
}

TEST(Guard, TellsTaskTraceAndRequest) {
  base::TraceContext trace{.trace_id = {1, 2, 3}, .span_id = {4}};
  const auto task =
      base::make_ref<base::TaskContext>(11U, 0U, "session-11", Handler::kHttp,
                                        base::MonotonicTime{}, std::source_location::current());
  task->set_trace(trace);
  task->set_request({.method = "GET", .path = "/state/v1/pods", .user = "ann", .region = "shop"});
  const base::TaskScope scope(task.get());
  const PanicReport report = report_of([] { throw 1; });
  EXPECT_EQ(report.task_id, 11U);
  EXPECT_EQ(report.task_name, "session-11");
  EXPECT_THAT(report.task_created_by, HasSubstr("guard_test.cc:"));
  EXPECT_EQ(report.trace, trace);
  EXPECT_EQ(report.request.path, "/state/v1/pods");
  EXPECT_EQ(report.request.region, "shop");
}

base::Task<int> twice(int n) {
  if (n < 0) throw std::invalid_argument("negative");
  co_return 2 * n;
}

base::Task<base::Result<int>> guarded_twice(int n) {
  auto task = guard(Handler::kEvent, twice(n));
  co_return co_await std::move(task);
}

/// Runs a guarded coroutine on an event loop of its own.
base::Result<int> run_guarded(int n) {
  boost::asio::io_context loop;
  base::Result<int> result = base::Error{ErrorCode::kTimeout, "never ran"};
  boost::asio::co_spawn(base::Executor(loop.get_executor()), guarded_twice(n),
                        [&](std::exception_ptr e, base::Result<int> value) {
                          EXPECT_FALSE(e);
                          result = std::move(value);
                        });
  loop.run();
  return result;
}

TEST(Guard, WorksForCoroutines) {
  EXPECT_EQ(run_guarded(4), 8);
  EXPECT_EQ(run_guarded(-4).error().code, ErrorCode::kInternal);
  const PanicReport report = PanicRecorder::instance().last().front();
  EXPECT_EQ(report.message, "negative");
  EXPECT_EQ(report.handler, Handler::kEvent);
}

TEST(Classify, SaysWhoIsToAct) {
  EXPECT_EQ(classify({ErrorCode::kUnavailable, ""}), ErrorClass::kTransient);
  EXPECT_EQ(classify({ErrorCode::kTooManyRequests, ""}), ErrorClass::kTransient);
  EXPECT_EQ(classify({ErrorCode::kNotFound, ""}), ErrorClass::kDomain);
  EXPECT_EQ(classify({ErrorCode::kCancelled, ""}), ErrorClass::kDomain);
  EXPECT_EQ(classify({ErrorCode::kInternal, ""}), ErrorClass::kPanic);
}

}  // namespace
}  // namespace podkeeper::recovery
