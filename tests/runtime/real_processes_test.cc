#include "pkg/runtime/real_world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <optional>
#include <string>
#include <unistd.h>
#include <utility>

namespace podkeeper::runtime {
namespace {

using namespace std::chrono_literals;
using base::ErrorCode;
using base::Program;
using testing::HasSubstr;

base::Result<base::ProgramEnd> run(Program program, base::Duration limit = 60s) {
  RealWorld world;
  std::optional<base::Result<base::ProgramEnd>> end;
  world.run_task([&]() -> base::Task<void> {
    auto running = world.processes().run(std::move(program), world.clock().now() + limit);
    end = co_await std::move(running);
  });
  return *std::move(end);
}
Program shell(const std::string& text) { return {.command = "sh", .arguments = {"-c", text}}; }

TEST(RealProcesses, GivesOutputExitCodeAndComplaint) {
  const auto end = run(shell("echo hello; echo bad >&2; exit 3"));
  ASSERT_TRUE(end) << end.error().message;
  EXPECT_EQ(end->output, "hello\n");
  EXPECT_EQ(end->complaint, "bad\n");
  EXPECT_EQ(end->status, 3);
  EXPECT_EQ(run(shell("kill -TERM $$"))->status, 128 + SIGTERM);
}

TEST(RealProcesses, GivesTheProgramItsVariablesBesideOursAndNoInput) {
  ::setenv("PK_TEST_OURS", "ours", 1);
  ::setenv("PK_TEST_BOTH", "ours", 1);
  Program program = shell("cat; echo $PK_TEST_OURS $PK_TEST_BOTH $PK_TEST_NEW");
  program.environment = {{"PK_TEST_BOTH", "its own"}, {"PK_TEST_NEW", "new"}};
  EXPECT_EQ(run(std::move(program))->output, "ours its own new\n");
}

TEST(RealProcesses, LetsNoDescriptorOfOursThrough) {
  const int open = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  ASSERT_GE(open, 3);
  const auto end = run({.command = "ls", .arguments = {"/proc/self/fd"}});
  ::close(open);
  EXPECT_EQ(end->output, "0\n1\n2\n3\n") << "3 is the one by which ls reads the folder";
}

/// Whether a process has ended, be it that nobody has waited for it yet.
bool ended(RealWorld& world, const std::string& pid) {
  const auto state = world.files().read("/proc/" + pid + "/stat", 4096);
  return !state || state->contains(") Z ");
}

TEST(RealProcesses, KillsWhatHangsWithAllItHasStarted) {
  const std::string file = testing::TempDir() + "pk_grandchild_" + std::to_string(::getpid());
  const auto hung = run(shell("sleep 1000 & echo $! > " + file + "; wait"), 3s);
  ASSERT_FALSE(hung);
  EXPECT_EQ(hung.error().code, ErrorCode::kTimeout);
  EXPECT_THAT(hung.error().message, HasSubstr("sh: it did not end in time"));
  RealWorld world;
  auto pid = world.files().read(file, 100);
  ::unlink(file.c_str());
  ASSERT_TRUE(pid && pid->ends_with('\n')) << "it had no time to start";
  pid->pop_back();
  world.run_task([&]() -> base::Task<void> {
    const auto limit = world.clock().now() + 30s;
    while (!ended(world, *pid) && world.clock().now() < limit) {
      auto pause = world.clock().sleep_for(5ms);
      co_await std::move(pause);
    }
  });
  EXPECT_TRUE(ended(world, *pid));
}

TEST(RealProcesses, KillsWhatNeverStopsTalking) {
  Program program = shell("while :; do echo yyyyyyyyyyyyyyyyyyyyyyyy; done");
  program.output_bytes_max = 10'000;
  const auto end = run(std::move(program));
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::kTooLarge);
}

TEST(RealProcesses, KeepsTheBeginningOfALongComplaint) {
  const auto end = run(shell("head -c 100000 /dev/zero | tr '\\0' x >&2"));
  ASSERT_TRUE(end) << end.error().message;
  EXPECT_EQ(end->complaint, std::string(base::Processes::kComplaintBytesMax, 'x'));
}

TEST(RealProcesses, TellsAProgramThatIsNotThereOrCannotBeStarted) {
  const auto absent = run({.command = "/nowhere/pk-login"});
  EXPECT_EQ(absent.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(absent.error().message, "start /nowhere/pk-login: No such file or directory");
  EXPECT_EQ(run({.command = "pk-no-such-program"}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(run({.command = "/etc/passwd"}).error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace podkeeper::runtime
