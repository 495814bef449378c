#include "pkg/recovery/crash_report.h"

#include "pkg/base/task_context.h"
#include "pkg/recovery/deliberate_crash.h"
#include "pkg/recovery/panic_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <source_location>
#include <string>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/faults/record.h"

#ifndef __has_feature  // g++ says it with __SANITIZE_THREAD__
#define __has_feature(feature) 0
#endif

namespace podkeeper::recovery {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string read_all(int descriptor) {
  std::string text;
  std::array<char, 4096> some{};
  for (ssize_t n = 0; (n = ::read(descriptor, some.data(), some.size())) > 0;) {
    text.append(some.data(), static_cast<std::size_t>(n));
  }
  ::close(descriptor);
  return text;
}

/// What a process left that ended by `fault`.
struct Death {
  int signal = 0;  ///< 0: it exited
  std::vector<CrashReport> reports;
  std::string said;
};

Death die_by(const std::function<void()>& fault, bool json = false) {
  std::array<int, 2> reports{}, said{};
  if (::pipe(reports.data()) != 0 || ::pipe(said.data()) != 0) std::abort();
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit no_core{};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::close(reports[0]);
    ::close(said[0]);
    ::dup2(said[1], STDERR_FILENO);
    ::close(said[1]);
    tell_of_crashes({.json = json, .build = "1.2.3 (abc)", .report_to = reports[1]});
    const CrashStack crash_stack;
    fault();
    ::_exit(0);
  }
  ::close(reports[1]);
  ::close(said[1]);
  Death death;
  const std::string bytes = read_all(reports[0]);
  death.reports.resize(bytes.size() / sizeof(CrashReport));
  std::copy_n(bytes.data(), death.reports.size() * sizeof(CrashReport),
              reinterpret_cast<char*>(death.reports.data()));
  death.said = read_all(said[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) death.signal = WTERMSIG(status);
  return death;
}

std::string joined(const std::vector<std::string>& frames) {
  std::string text;
  for (const auto& frame : frames) text += frame + "\n";
  return text;
}

TEST(CrashReport, TellsOfAFaultWithItsAddressAndStack) {
  const Death death = die_by([] { crash(CrashKind::kSegv); });
  EXPECT_EQ(death.signal, SIGSEGV);
  ASSERT_EQ(death.reports.size(), 1u);
  const CrashReport& report = death.reports.front();
  EXPECT_EQ(report.signal, SIGSEGV);
  EXPECT_EQ(report.code, SEGV_MAPERR);
  EXPECT_EQ(report.address, 0x40u);
  EXPECT_EQ(report.task_id, 0u);
  EXPECT_GT(report.depth, 0u);
  // A fork has the addresses of its parent.
  const auto frames = symbolize(report.stack());
  ASSERT_FALSE(frames.empty());
  EXPECT_THAT(frames.front(), HasSubstr("write_to_nowhere"));
  EXPECT_THAT(joined(frames), HasSubstr("recovery::crash("));
  EXPECT_THAT(death.said, AllOf(HasSubstr("msg=crashed signal=SIGSEGV code=1 address=0x40"),
                                HasSubstr("build=\"1.2.3 (abc)\""), HasSubstr("stack=\"exe+0x"),
                                EndsWith("\"\n")));
  EXPECT_THAT(death.said,
              ::testing::MatchesRegex("ts=20..-..-..T..:..:..\\....Z level=error caller=.*buildId="
                                      "[0-9a-f]+ .*rip=0x[0-9a-f]+ .*\n"));
}

TEST(CrashReport, IsOneLineOfJsonWhereTheLogIs) {
  const Death death = die_by(
      [] {
        base::TaskContext task(7, 0, "say \"hi\"\n", base::Handler::kEvent, {},
                               std::source_location::current());
        const base::TaskScope scope(&task);
        crash(CrashKind::kSegv);
      },
      /*json=*/true);
  ASSERT_EQ(death.reports.size(), 1u);
  EXPECT_EQ(death.reports.front().task_id, 7u);
  EXPECT_STREQ(death.reports.front().task_name.data(), "say \"hi\"\n");
  EXPECT_THAT(death.said, AllOf(StartsWith("{\"ts\":"), HasSubstr(R"("msg":"crashed")"),
                                HasSubstr(R"("task":"say ?hi??","taskId":7,)"), EndsWith("\"}\n")));
  EXPECT_EQ(std::ranges::count(death.said, '\n'), 1);
}

TEST(CrashReport, TellsWhatStdTerminateWasCalledFor) {
  const Death death = die_by([] { crash(CrashKind::kTerminate); });
  EXPECT_EQ(death.signal, SIGABRT);
  ASSERT_EQ(death.reports.size(), 1u);
  EXPECT_STREQ(death.reports.front().reason.data(),
               "std::terminate: std::runtime_error: deliberate, while unwinding");
  EXPECT_THAT(joined(symbolize(death.reports.front().stack())), HasSubstr("std::terminate"));
  EXPECT_THAT(death.said, HasSubstr("reason=\"std::terminate: std::runtime_error: deliberate, "
                                    "while unwinding\""));
}

TEST(CrashReport, TellsWhoWasSentASignal) {
  const Death death = die_by([] { ::kill(::getpid(), SIGSEGV); });
  EXPECT_EQ(death.signal, SIGSEGV);
  ASSERT_EQ(death.reports.size(), 1u);
  EXPECT_EQ(death.reports.front().code, SI_USER);
  EXPECT_EQ(death.reports.front().address, 0u);
}

TEST(CrashReport, IsOneWhereManyThreadsCrashAtOnce) {
  const Death death = die_by([] {
    std::atomic<int> there = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&there] {
        const CrashStack crash_stack;
        ++there;
        while (there < 8) std::this_thread::yield();
        crash(CrashKind::kSegv);
      });
    }
  });
  EXPECT_EQ(death.signal, SIGSEGV);
  EXPECT_EQ(death.reports.size(), 1u);
  EXPECT_EQ(std::ranges::count(death.said, '\n'), 1);
  faults::record({.row = 49,
                  .outcome = "eight threads at once: one report, from the first; the process ends",
                  .evidence = "log: crashed; /debug/crashes",
                  .recovery = {}});
}

// ThreadSanitizer's own handler, which comes before ours, does not survive these.
#if !defined(__SANITIZE_THREAD__) && !__has_feature(thread_sanitizer)
TEST(CrashReport, TellsOfAStackOverflowOnAnyThreadWithACrashStack) {
  const Death death = die_by([] {
    std::thread([] {
      ::pthread_setname_np(::pthread_self(), "deep");
      const CrashStack crash_stack;
      crash(CrashKind::kOverflow);
    }).join();
  });
  EXPECT_EQ(death.signal, SIGSEGV);
  ASSERT_EQ(death.reports.size(), 1u);
  EXPECT_STREQ(death.reports.front().thread_name.data(), "deep");
  EXPECT_EQ(death.reports.front().depth, death.reports.front().stack().size());
  EXPECT_THAT(joined(symbolize(death.reports.front().stack())), HasSubstr("recurse(int)"));
}

#if defined(__x86_64__)
/// Faults where the unwinder, too, finds nothing but a frame that cannot be read.
[[noreturn]] void crash_with_a_broken_frame() {
  // rbp is where the caller's frame should be.
  asm volatile("movq $0x40, %%rbp\n\tmovl $1, (%%rbp)" ::: "memory");
  std::abort();
}

TEST(CrashReport, OfAHandlerThatCrashesHasWhatTheFirstFaultGave) {
  const Death death = die_by([] { crash_with_a_broken_frame(); });
  EXPECT_EQ(death.signal, SIGSEGV);
  ASSERT_EQ(death.reports.size(), 1u);
  EXPECT_EQ(death.reports.front().address, 0x40u);
  EXPECT_EQ(death.reports.front().depth, 0u);
  EXPECT_EQ(std::ranges::count(death.said, '\n'), 1);
  faults::record({.row = 49,
                  .outcome = "the handler crashes: its report has all but the stack, and it does "
                             "not come again",
                  .evidence = "log: crashed",
                  .recovery = {}});
}
#endif
#endif

}  // namespace
}  // namespace podkeeper::recovery
