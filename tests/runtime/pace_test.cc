#include "pkg/runtime/pace.h"

#include <gtest/gtest.h>

#include <chrono>

namespace podkeeper::runtime {
namespace {

using namespace std::chrono_literals;

TEST(Pace, LetsABurstThroughThenOneEveryIntervalAndSaysHowLongToWait) {
  Pace pace(10s, 3);
  base::MonotonicTime now{1h};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(pace.take(now), 0s);
  EXPECT_EQ(pace.take(now), 10s);
  now += 4s;
  EXPECT_EQ(pace.take(now), 6s);
  now += 6s;
  EXPECT_EQ(pace.take(now), 0s);
  EXPECT_EQ(pace.take(now), 10s);
}

TEST(Pace, IsFullAgainAfterTheWholeBurstsTimeAndNoFuller) {
  Pace pace(10s, 3);
  base::MonotonicTime now{1h};
  EXPECT_TRUE(pace.is_full(now));
  for (int i = 0; i < 3; ++i) (void)pace.take(now);
  EXPECT_FALSE(pace.is_full(now + 29s));
  EXPECT_TRUE(pace.is_full(now + 30s));
  now += 24h;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(pace.take(now), 0s);
  EXPECT_GT(pace.take(now), 0s);
}

}  // namespace
}  // namespace podkeeper::runtime
