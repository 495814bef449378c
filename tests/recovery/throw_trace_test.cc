#include "pkg/recovery/throw_trace.h"

#include "pkg/recovery/guard.h"
#include "pkg/recovery/panic_report.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <exception>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace podkeeper::recovery {

// Not in the unnamed namespace, so that their names are in the dynamic symbol table too.
[[gnu::noinline]] void throw_here(const char* what) { throw std::runtime_error(what); }
[[gnu::noinline]] int read_beyond(const std::vector<int>& numbers) { return numbers.at(1'000); }
[[gnu::noinline]] void recurse_and_throw(int depth) {
  if (depth == 0) return throw_here("deep");
  recurse_and_throw(depth - 1);
  asm volatile("");  // keeps the call from becoming a jump
}
[[gnu::noinline]] std::exception_ptr caught_here() {
  try {
    throw_here("moved");
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

namespace {

using testing::AnyOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// Functions on the throw-site stack of what `f` throws, innermost first.
template <class F>
std::vector<std::string> stack_of(F f) {
  const auto result = guard(base::Handler::kThread, f);
  EXPECT_FALSE(result.has_value());
  return symbolize(PanicRecorder::instance().last().front().stack);
}

TEST(ThrowTrace, BeginsWhereTheExceptionWasThrown) {
  const auto stack = stack_of([] { recurse_and_throw(1); });
  ASSERT_GT(stack.size(), 3U);
  EXPECT_THAT(stack[0], HasSubstr("podkeeper::recovery::throw_here(char const*) at "));
  EXPECT_THAT(stack[0], HasSubstr("throw_trace_test.cc:22"));
  EXPECT_THAT(stack[1], HasSubstr("recurse_and_throw"));
  EXPECT_THAT(stack[2], HasSubstr("recurse_and_throw"));
}

TEST(ThrowTrace, CoversThrowsInsideTheStandardLibrary) {
  const auto stack = stack_of([] { (void)read_beyond({}); });
  EXPECT_THAT(stack, Contains(HasSubstr("read_beyond")));
  EXPECT_THAT(stack, Contains(HasSubstr("main")));
}

TEST(ThrowTrace, KeepsTheFirstPlaceOverRethrows) {
  const auto stack = stack_of([] {
    try {
      throw_here("first");
    } catch (...) {
      throw;
    }
  });
  EXPECT_THAT(stack.at(0), HasSubstr("throw_here"));
}

TEST(ThrowTrace, FollowsAnExceptionToAnotherThread) {
  const std::exception_ptr exception = caught_here();
  std::vector<std::string> stack;
  std::thread([&] { stack = stack_of([&] { std::rethrow_exception(exception); }); }).join();
  EXPECT_THAT(stack.at(0), HasSubstr("throw_here"));
  EXPECT_THAT(stack, Contains(HasSubstr("caught_here")));
}

TEST(ThrowTrace, IsCutAtItsLimit) {
  const auto stack = stack_of([] { recurse_and_throw(200); });
  EXPECT_EQ(stack.size(), detail::kThrowFramesMax);
  EXPECT_THAT(stack.at(0), HasSubstr("throw_here"));
  EXPECT_THAT(stack.back(), HasSubstr("recurse_and_throw"));
}

TEST(ThrowTrace, IsNeverThatOfAnotherExceptionAtTheSameAddress) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_THROW(throw_here("freed"), std::runtime_error);
    EXPECT_THAT(stack_of([] {
                  std::rethrow_exception(std::make_exception_ptr(std::runtime_error("made")));
                }),
                IsEmpty());
  }
}

TEST(ThrowTrace, RemembersEachOfManyExceptionsAtATime) {
  std::vector<std::exception_ptr> exceptions;
  for (int i = 0; i < 100; ++i) exceptions.push_back(caught_here());
  for (const auto& exception : exceptions) {
    EXPECT_THAT(stack_of([&] { std::rethrow_exception(exception); }),
                Contains(HasSubstr("throw_here")));
  }
}

TEST(ThrowTrace, HoldsInManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  // While a thread waits for a processor, the others may throw so many that its trace gives way.
  constexpr int kThrows = 500;
  std::atomic<int> wrong{0}, gave_way{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::size_t expected = 0;
      for (int i = 0; i < kThrows; ++i) {
        try {
          recurse_and_throw(t);
        } catch (...) {
          const std::exception_ptr exception = std::current_exception();
          const void* object = *reinterpret_cast<void* const*>(&exception);
          const auto depth = detail::throw_trace(object).size();
          if (depth == 0) ++gave_way;
          if (depth > 0 && expected == 0) expected = depth;
          if (depth > 0 && (depth != expected || depth < 3)) ++wrong;
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LT(gave_way, 4 * kThrows / 20);
}

base::Task<int> throwing_task() {
  throw_here("in a coroutine");
  co_return 0;
}
base::Task<int> outer_task() {
  auto inner = throwing_task();
  co_return co_await std::move(inner);
}
base::Task<> guarded_task() {
  auto guarded = guard(base::Handler::kStream, outer_task());
  (void)co_await std::move(guarded);
}

TEST(ThrowTrace, SurvivesTheRethrowsOfAwaitingCoroutines) {
  boost::asio::io_context loop;
  boost::asio::co_spawn(base::Executor(loop.get_executor()), guarded_task(),
                        [](std::exception_ptr escaped) { EXPECT_FALSE(escaped); });
  loop.run();
  const auto stack = symbolize(PanicRecorder::instance().last().front().stack);
  EXPECT_THAT(stack.at(0), HasSubstr("throw_here"));
  EXPECT_THAT(stack.at(1), HasSubstr("throwing_task"));
}

struct ThrowsWhileStatic {
  ThrowsWhileStatic() {
    try {
      throw_here("before main");
    } catch (const std::runtime_error&) {
      caught = true;
    }
  }
  bool caught = false;
} const g_before_main;

TEST(ThrowTrace, IsTakenDuringStaticInitializationToo) { EXPECT_TRUE(g_before_main.caught); }

TEST(Symbolize, GivesOneTextAFrameAlsoForAddressesItDoesNotKnow) {
  int local = 0;
  const auto frames = symbolize({&local, nullptr});
  ASSERT_EQ(frames.size(), 2U);
  EXPECT_THAT(frames[0], HasSubstr("0x"));
}

}  // namespace
}  // namespace podkeeper::recovery
