#include "pkg/runtime/reclaimer.h"

#include "pkg/base/epoch.h"
#include "pkg/base/ref.h"
#include "pkg/base/task_context.h"
#include "pkg/telemetry/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/faults/record.h"
#include "tests/runtime/harness.h"

namespace podkeeper::runtime {
namespace {

using namespace std::chrono_literals;
using base::Epoch;
using base::Task;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

struct Thing : base::RefCounted {};

class ReclaimerTest : public testing::Test {
 protected:
  ReclaimerTest() { Epoch::collect(); }

  /// Runs the reclaimer beside `body`, until that returns.
  template <class F>
  void beside(F body) {
    harness_.spawn("body", [this, body]() -> Task<void> {
      auto done = body();
      co_await std::move(done);
      harness_.group.stop();
    });
    harness_.spawn("map reclaimer", [this] { return reclaimer_.run(); });
    harness_.world.run();
  }

  Harness harness_;
  Reclaimer reclaimer_{harness_.world.clock(), harness_.registry};
  std::vector<std::string> lines_;
  telemetry::Logging logging_{
      {.write = [this](std::string_view line) { lines_.emplace_back(line); }},
      harness_.world.clock()};
};

TEST_F(ReclaimerTest, NothingLiesWhenWritesStop) {
  std::size_t at_once = 0;
  std::size_t later = 1;
  beside([&]() -> Task<void> {
    for (int i = 0; i < 100; ++i) Epoch::retire(base::make_ref<Thing>(), 1'000);
    at_once = Epoch::pending().bytes;
    auto sleep = harness_.pause(1500ms);
    co_await std::move(sleep);
    later = Epoch::pending().bytes;
  });
  EXPECT_EQ(at_once, 100'000u);
  EXPECT_EQ(later, 0u);
  EXPECT_TRUE(lines_.empty());
}

TEST_F(ReclaimerTest, NamesOnceTheTaskWhoseGuardStays) {
  std::atomic<int> stage{0};
  std::jthread stuck;
  beside([&]() -> Task<void> {
    // Shared, for the thread may outlive the task.
    stuck = std::jthread([&stage, task = base::Ref<base::TaskContext>(base::current_task())] {
      const base::TaskScope scope(task.get());
      const Epoch::Guard guard;
      stage = 1;
      stage.notify_all();
      stage.wait(1);
    });
    stage.wait(0);
    auto sleep = harness_.pause(30s);
    co_await std::move(sleep);
  });
  stage = 2;
  stage.notify_all();
  EXPECT_THAT(lines_, ElementsAre(AllOf(HasSubstr("a reader holds memory back"), HasSubstr("body"),
                                        HasSubstr("pendingBytes"))));
  faults::record({.row = 34,
                  .outcome = "a reader that stays for 30 s is named, once",
                  .evidence = "a reader holds memory back",
                  .recovery = {}});
}

TEST_F(ReclaimerTest, KeepsSilentAboutGuardsThatComeAndGo) {
  beside([&]() -> Task<void> {
    for (int i = 0; i < 300; ++i) {
      {
        const Epoch::Guard guard;
        Epoch::retire(base::make_ref<Thing>());
      }
      auto sleep = harness_.pause(100ms);
      co_await std::move(sleep);
    }
  });
  EXPECT_TRUE(lines_.empty());
}

}  // namespace
}  // namespace podkeeper::runtime
