#include "daemon/memory_watch.h"

#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"

#include <gtest/gtest.h>

#include <string>

namespace podkeeper::daemon {
namespace {

using namespace std::chrono_literals;
using http::OverloadState;

TEST(OverloadStates, AreEnteredAtTheirPartsAndLeftFivePointsBelow) {
  const auto normal = OverloadState::kNormal;
  EXPECT_EQ(next_state(normal, 0.79), normal);
  EXPECT_EQ(next_state(normal, 0.80), OverloadState::kShedLists);
  EXPECT_EQ(next_state(normal, 0.90), OverloadState::kEvictSlow);
  EXPECT_EQ(next_state(normal, 1.5), OverloadState::kRefuse);
  EXPECT_EQ(next_state(OverloadState::kShedLists, 0.76), OverloadState::kShedLists);
  EXPECT_EQ(next_state(OverloadState::kShedLists, 0.74), normal);
  EXPECT_EQ(next_state(OverloadState::kEvictSlow, 0.76), OverloadState::kShedLists);
  EXPECT_EQ(next_state(OverloadState::kRefuse, 0.91), OverloadState::kRefuse);
  EXPECT_EQ(next_state(OverloadState::kRefuse, 0.89), OverloadState::kEvictSlow);
  EXPECT_EQ(next_state(OverloadState::kRefuse, 0.1), normal);
}

/// A watch over a container of 1000 bytes, which a test fills.
class MemoryWatching : public testing::Test {
 protected:
  MemoryWatching() { use(100); }
  ~MemoryWatching() override {
    world_.run_task([this]() -> base::Task<void> {
      group_.stop();
      co_await group_.join();
    });
  }
  void use(int bytes) {
    world_.put_file("/sys/fs/cgroup/memory.max", "1000\n");
    world_.put_file("/sys/fs/cgroup/memory.current", std::to_string(bytes) + "\n");
  }
  /// The state a second later.
  OverloadState state_at(int bytes) {
    use(bytes);
    world_.run_for(1s);
    return overload_.state();
  }
  void start() {
    const auto started =
        group_.spawn("watch", base::Handler::kTimer, [this] { return watch_.run(); });
    ASSERT_TRUE(started.has_value());
  }

  runtime::SimulatedWorld world_{1};
  telemetry::Metrics metrics_;
  runtime::TaskRegistry registry_{world_.clock(), 10};
  runtime::TaskGroup group_{world_, registry_, "test"};
  http::Overload overload_{metrics_};
  int evictions_ = 0;
  int given_back_ = 0;
  std::function<void()> on_give_back_;
  MemoryWatch watch_{world_,
                     metrics_,
                     overload_,
                     0,
                     {.give_back =
                          [this] {
                            ++given_back_;
                            if (on_give_back_) on_give_back_();
                          },
                      .evict_slow = [this] { ++evictions_; }}};
};

TEST_F(MemoryWatching, TellsTheListenersWithinASecondBothWays) {
  start();
  EXPECT_EQ(state_at(100), OverloadState::kNormal);
  EXPECT_EQ(given_back_, 0);
  EXPECT_EQ(state_at(850), OverloadState::kShedLists);
  EXPECT_EQ(evictions_, 0);
  EXPECT_TRUE(watch_.check().has_value());
  EXPECT_EQ(state_at(920), OverloadState::kEvictSlow);
  EXPECT_GT(evictions_, 0);
  EXPECT_EQ(state_at(960), OverloadState::kRefuse);
  EXPECT_FALSE(watch_.check().has_value());
  const auto text = metrics_.render();
  EXPECT_NE(text.find("podkeeper_memory_used_bytes 960\n"), std::string::npos);
  EXPECT_NE(text.find("podkeeper_memory_limit_bytes 1000\n"), std::string::npos);
  EXPECT_EQ(state_at(500), OverloadState::kNormal);
  EXPECT_TRUE(watch_.check().has_value());
}

TEST_F(MemoryWatching, RefusesNothingForWhatTheAllocatorMerelyKept) {
  on_give_back_ = [this] { use(700); };
  start();
  EXPECT_EQ(state_at(960), OverloadState::kNormal);
  EXPECT_EQ(given_back_, 1);
}

TEST_F(MemoryWatching, GivesBackNoMoreThanOnceInAWhile) {
  start();
  use(960);
  world_.run_for(4s);
  EXPECT_EQ(given_back_, 1);
  world_.run_for(5s);
  EXPECT_EQ(given_back_, 2);
}

TEST_F(MemoryWatching, KeepsToWhatItKnewWhereTheFilesCannotBeRead) {
  start();
  EXPECT_EQ(state_at(960), OverloadState::kRefuse);
  world_.put_file("/sys/fs/cgroup/memory.current", "");
  world_.run_for(1s);
  EXPECT_EQ(overload_.state(), OverloadState::kRefuse);
}

TEST_F(MemoryWatching, FollowsALimitThatIsRaisedOrTakenAway) {
  EXPECT_TRUE(watch_.limited());
  start();
  EXPECT_EQ(state_at(960), OverloadState::kRefuse);
  world_.put_file("/sys/fs/cgroup/memory.max", "2000\n");
  world_.run_for(1s);
  EXPECT_EQ(overload_.state(), OverloadState::kNormal);
  EXPECT_EQ(state_at(850), OverloadState::kShedLists);
  world_.put_file("/sys/fs/cgroup/memory.max", "max\n");
  world_.run_for(1s);
  EXPECT_EQ(overload_.state(), OverloadState::kNormal);
  EXPECT_FALSE(watch_.limited());
}

}  // namespace
}  // namespace podkeeper::daemon
