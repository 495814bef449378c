#include "pkg/telemetry/log.h"

#include "pkg/base/panic.h"
#include "pkg/base/task_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fcntl.h>
#include <source_location>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/telemetry/fakes.h"

namespace podkeeper::telemetry {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::Optional;

/// A pipe that stands for stderr.
struct Pipe {
  Pipe() { EXPECT_EQ(pipe(ends), 0); }
  ~Pipe() {
    close_reader();
    close(ends[1]);
  }
  void close_reader() {
    if (ends[0] >= 0) close(ends[0]);
    ends[0] = -1;
  }
  /// Everything written so far.
  [[nodiscard]] std::string read_all() const {
    EXPECT_EQ(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    std::string text;
    char piece[65536];
    for (ssize_t n = 0; (n = read(ends[0], piece, sizeof piece)) > 0;) {
      text.append(piece, static_cast<std::size_t>(n));
    }
    return text;
  }
  int ends[2];
};

TEST(Log, WritesNothingWithoutALogging) { log_error("nobody listens", {{"n", 1}}); }

TEST(Log, ShowsByVerbosity) {
  ManualClock clock;
  std::string lines;
  Logging logging({.write = [&](std::string_view line) { lines += line; }}, clock);
  log_debug("hidden");
  log_info("shown");
  logging.set_verbosity(kDebugVerbosity);
  log_debug("debugged");
  log_verbose(5, "too fine");
  EXPECT_THAT(lines, HasSubstr("level=info caller=telemetry/log_test.cc:"));
  EXPECT_THAT(lines, HasSubstr("msg=\"debugged\" v=4\n"));
  EXPECT_THAT(lines, Not(HasSubstr("hidden")));
  EXPECT_THAT(lines, Not(HasSubstr("too fine")));
  EXPECT_TRUE(log_shows(4));
  EXPECT_FALSE(log_shows(5));
}

TEST(Log, AddsTheTraceOfTheCurrentTask) {
  ManualClock clock;
  std::string lines;
  const Logging logging({.write = [&](std::string_view line) { lines += line; }}, clock);
  const auto task =
      base::make_ref<base::TaskContext>(1U, 0U, "session", base::Handler::kHttp,
                                        base::MonotonicTime{}, std::source_location::current());
  task->set_trace({.trace_id = {0xab}, .span_id = {0xcd}});
  const base::TaskScope scope(task.get());
  log_warn("slow answer");
  EXPECT_THAT(lines, HasSubstr(" trace_id=ab0000"));
}

TEST(Log, WritesEveryLineBeforeItEnds) {
  ManualClock clock;
  const Pipe output;
  constexpr int kLines = 300;
  {
    const Logging logging({.output_fd = output.ends[1]}, clock);
    for (int i = 0; i < kLines; ++i) log_info("counted", {{"n", i}});
  }
  const std::string text = output.read_all();
  EXPECT_EQ(std::ranges::count(text, '\n'), kLines);
  EXPECT_LT(text.find(" n=7\n"), text.find(" n=8\n"));
}

TEST(Log, NeverWaitsForAnOutputThatTakesNothingAndCountsWhatIsLost) {
  ManualClock clock;
  const Pipe output;
  Metrics metrics;
  const std::string filler(3'000, 'x');
  constexpr int kLines = 1'000;  // 3 MB, while a pipe holds 64 KiB and the queue 100 lines
  {
    const Logging logging({.queue_lines_max = 100, .output_fd = output.ends[1]}, clock, &metrics);
    for (int i = 0; i < kLines; ++i) log_info("flood", {{"filler", filler}});
    EXPECT_GE(logging.dropped(), 500U);
    EXPECT_THAT(metrics.render(), HasSubstr("podkeeper_log_messages_total{level=\"info\"} 1000\n"));
    EXPECT_THAT(metrics.render(), Not(HasSubstr("podkeeper_log_dropped_total 0\n")));
    while (!logging.blocked_for().has_value()) std::this_thread::yield();
    clock.advance(120s);
    EXPECT_THAT(logging.blocked_for(), Optional(base::Duration(120s)));
  }
  const std::string text = output.read_all();
  EXPECT_GT(std::ranges::count(text, '\n'), 10);
}

TEST(Log, OutlivesAReaderThatIsGone) {
  ManualClock clock;
  Pipe output;
  output.close_reader();
  const Logging logging({.output_fd = output.ends[1]}, clock);
  log_info("nobody reads");
  while (logging.dropped() == 0) std::this_thread::yield();
}

TEST(Log, MayEndWhileThreadsLog) {
  ManualClock clock;
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!stop) log_info("busy", {{"n", 1}});
    });
  }
  for (int i = 0; i < 50; ++i) {
    std::atomic<int> lines{0};
    const Logging logging({.write = [&](std::string_view) { ++lines; }}, clock);
    while (lines < 10) std::this_thread::yield();
  }
  stop = true;
  for (auto& thread : threads) thread.join();
}

TEST(Log, HasOneOutputAtATime) {
  ManualClock clock;
  const Logging logging({.write = [](std::string_view) {}}, clock);
  EXPECT_THROW(Logging({.write = [](std::string_view) {}}, clock), base::Panic);
  log_info("the first one still works");
}

TEST(RateLimiter, LetsOneThroughAnIntervalAndCountsTheRest) {
  ManualClock clock;
  RateLimiter limiter(clock, 10s);
  EXPECT_THAT(limiter.admit(), Optional(0U));
  EXPECT_EQ(limiter.admit(), std::nullopt);
  clock.advance(9s);
  EXPECT_EQ(limiter.admit(), std::nullopt);
  clock.advance(1s);
  EXPECT_THAT(limiter.admit(), Optional(2U));
  EXPECT_EQ(limiter.admit(), std::nullopt);
}

TEST(RateLimiter, AllowsABurstAndRegainsItOverTime) {
  ManualClock clock;
  RateLimiter limiter(clock, 1s, 3);
  const auto admitted = [&] {
    int count = 0;
    for (int i = 0; i < 10; ++i) count += limiter.admit().has_value() ? 1 : 0;
    return count;
  };
  EXPECT_EQ(admitted(), 3);
  clock.advance(2s);
  EXPECT_EQ(admitted(), 2);
  clock.advance(1h);
  EXPECT_EQ(admitted(), 3);
}

}  // namespace
}  // namespace podkeeper::telemetry
