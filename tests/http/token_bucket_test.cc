#include "pkg/http/token_bucket.h"

#include "pkg/runtime/simulated_world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace podkeeper::http {
namespace {

using namespace std::chrono_literals;

/// How long each of `count` takes waits, one after the other.
std::vector<base::Duration> waits(runtime::SimulatedWorld& world, TokenBucket& bucket, int count) {
  std::vector<base::Duration> all;
  world.run_task([&]() -> base::Task<void> {
    for (int i = 0; i < count; ++i) {
      auto taking = bucket.take(base::MonotonicTime::max());
      const auto waited = co_await std::move(taking);
      all.push_back(waited.value());
    }
  });
  return all;
}

TEST(TokenBucket, LetsABurstThroughAndThenItsRate) {
  runtime::SimulatedWorld world(1);
  TokenBucket bucket(world.clock(), 10, 3);
  const auto got = waits(world, bucket, 5);
  EXPECT_THAT(got, testing::ElementsAre(0ns, 0ns, 0ns, testing::Gt(99ms), testing::Gt(99ms)));
  world.run_for(1s);
  EXPECT_THAT(waits(world, bucket, 4), testing::ElementsAre(0ns, 0ns, 0ns, testing::Gt(99ms)))
      << "what was not used is there again, up to the burst";
}

TEST(TokenBucket, WithoutALimitNobodyWaits) {
  runtime::SimulatedWorld world(1);
  TokenBucket bucket(world.clock(), 0, 1);
  EXPECT_EQ(waits(world, bucket, 100), std::vector<base::Duration>(100));
}

TEST(TokenBucket, RefusesAtOnceWhatWouldComeTooLateAndTakesNoTokenForIt) {
  runtime::SimulatedWorld world(1);
  TokenBucket bucket(world.clock(), 1, 1);
  EXPECT_THAT(waits(world, bucket, 1), testing::ElementsAre(0ns));
  world.run_task([&]() -> base::Task<void> {
    const auto started = world.clock().now();
    auto taking = bucket.take(started + 500ms);
    const auto refused = co_await std::move(taking);
    EXPECT_EQ(refused.error().code, base::ErrorCode::kTimeout);
    EXPECT_LT(world.clock().now() - started, 100ms);
  });
  EXPECT_THAT(waits(world, bucket, 1), testing::ElementsAre(testing::Le(1s)));
}

}  // namespace
}  // namespace podkeeper::http
