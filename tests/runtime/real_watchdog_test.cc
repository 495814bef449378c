#include "pkg/runtime/real_watchdog.h"

#include "pkg/recovery/panic_report.h"
#include "pkg/runtime/task_group.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <semaphore.h>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/faults/record.h"

namespace podkeeper::runtime {
namespace {

using namespace std::chrono_literals;
using base::Task;

/// A semaphore of the C library: ThreadSanitizer lets signals in while a thread waits for one.
class Gate {
 public:
  Gate() { ::sem_init(&semaphore_, 0, 0); }
  ~Gate() { ::sem_destroy(&semaphore_); }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  void open() { ::sem_post(&semaphore_); }
  void pass() {
    while (::sem_wait(&semaphore_) != 0) {  // a signal came
    }
  }

 private:
  sem_t semaphore_;
};

/// Waits where the stack says so.
[[gnu::noinline]] void block_here(Gate& until) {
  until.pass();
  asm volatile("");  // or the call before would be its last, and take its place on the stack
}

bool is_blocked_here(const ThreadStack& thread) {
  return std::ranges::any_of(recovery::symbolize(thread.stack), [](const std::string& frame) {
    return frame.find("block_here") != std::string::npos;
  });
}

const ThreadStack* find(const std::vector<ThreadStack>& threads, std::int64_t id) {
  const auto found = std::ranges::find(threads, id, &ThreadStack::id);
  return found == threads.end() ? nullptr : &*found;
}

/// A loop of two threads, a watchdog with little patience, and tasks.
struct Watched {
  explicit Watched(base::Duration timeout = 100ms)
      : watchdog(world, metrics, {.timeout = timeout, .dump_interval = 1ms}) {}

  /// Runs `body` in a task until it ends; meanwhile the others run.
  void run(std::function<Task<void>()> body) {
    world.run_task(
        [&]() -> Task<void> {
          co_await body();
          group.stop();
          co_await group.join();
        },
        2);
  }
  /// Comes back when `holds`, and lets the loop go on meanwhile.
  Task<void> until(std::function<bool()> holds) {
    while (!holds()) co_await world.clock().sleep_for(1ms);
  }
  [[nodiscard]] std::string stalls_metric() {
    const std::string text = metrics.render();
    const auto at = text.find("\npodkeeper_watchdog_stalls_total ");
    return at == std::string::npos ? "" : text.substr(at + 1, text.find('\n', at + 1) - at - 1);
  }

  RealWorld world;
  telemetry::Metrics metrics;
  TaskRegistry registry{world.clock()};
  TaskGroup group{world, registry, "test"};
  Watchdog watchdog;
};

TEST(Stacks, EveryThreadTellsWhereItIs) {
  Gate end;
  std::atomic<std::int64_t> id = 0;
  std::jthread other([&] {
    id = ::gettid();
    block_here(end);
  });
  std::vector<ThreadStack> threads;
  const auto waits = [&] {
    threads = take_stacks();
    const auto* const thread = find(threads, id);
    return thread != nullptr && is_blocked_here(*thread);
  };
  while (!waits()) std::this_thread::yield();
  end.open();
  const auto* const own = find(threads, ::gettid());
  const auto* const waiting = find(threads, id);
  ASSERT_NE(own, nullptr);
  ASSERT_NE(waiting, nullptr);
  EXPECT_TRUE(own->answered);
  EXPECT_FALSE(own->stack.empty());
  EXPECT_TRUE(waiting->answered);
}

TEST(Watchdog, ATaskThatHoldsItsThreadIsToldOfWithAllStacksAndFailsTheCheckUntilItGoesOn) {
  Watched watched;
  Gate held;
  std::shared_ptr<const Stall> stall;
  watched.run([&]() -> Task<void> {
    (void)watched.group.spawn("stuck one", base::Handler::kEvent, [&]() -> Task<void> {
      block_here(held);
      co_return;
    });
    // On a busy machine other threads may be out of luck before, and tell of this one as it begins.
    const auto told = [&] {
      stall = watched.watchdog.last();
      if (stall == nullptr || watched.watchdog.check().has_value()) return false;
      const auto stuck = std::ranges::find(stall->threads, "stuck one", &ThreadStack::task_name);
      return stuck != stall->threads.end() && is_blocked_here(*stuck);
    };
    auto telling = watched.until(told);
    co_await std::move(telling);
    held.open();
    const auto well = [&] { return watched.watchdog.check().has_value(); };
    auto recovering = watched.until(well);
    co_await std::move(recovering);
  });
  EXPECT_GE(watched.watchdog.stalls(), 1U);
  EXPECT_EQ(watched.stalls_metric(),
            "podkeeper_watchdog_stalls_total " + std::to_string(watched.watchdog.stalls()));
  EXPECT_GE(stall->threads.size(), 3U);  // the loop's two and the watchdog
  faults::record({.row = 51,
                  .outcome = "a blocked io thread is noticed within --watchdog-timeout, the stacks "
                             "of all threads are logged and kept, /livez fails until it goes on",
                  .evidence = "podkeeper_watchdog_stalls_total, io_thread_stalled, /debug/threads",
                  .recovery = {}});
}

TEST(Watchdog, ALoopWithoutAFreeThreadIsToldOf) {
  Watched watched;
  Gate held;
  std::jthread releases([&] {
    while (watched.watchdog.last() == nullptr) std::this_thread::yield();
    held.open();
  });
  watched.world.run_task([&]() -> Task<void> {
    block_here(held);  // the only thread, outside any task of a group
    co_return;
  });
  EXPECT_EQ(watched.watchdog.last()->thread, 0);
}

TEST(Watchdog, WhoIdlesIsNotStuck) {
  Watched watched(2s);
  watched.run([&]() -> Task<void> { co_await watched.world.clock().sleep_for(2500ms); });
  EXPECT_EQ(watched.watchdog.stalls(), 0U);
}

TEST(Watchdog, WithoutATimeoutItWatchesNothing) {
  Watched watched(0s);
  watched.run([&]() -> Task<void> { co_return; });
  EXPECT_TRUE(watched.watchdog.check().has_value());
  EXPECT_EQ(watched.watchdog.last(), nullptr);
}

}  // namespace
}  // namespace podkeeper::runtime
