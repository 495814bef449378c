#include "pkg/runtime/backoff.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "tests/runtime/harness.h"

namespace podkeeper::runtime {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, DoublesToItsMaximumEachTimeStretchedByLessThanTwo) {
  Harness h;
  Backoff backoff(h.world.clock(), h.world.random());
  bool stretched = false;
  for (const base::Duration expected :
       std::vector<base::Duration>{800ms, 1600ms, 3200ms, 6400ms, 12800ms, 25600ms, 30s, 30s}) {
    const base::Duration wait = backoff.next();
    EXPECT_GE(wait, expected);
    EXPECT_LT(wait, 2 * expected);
    stretched = stretched || wait > expected + expected / 10;
  }
  EXPECT_TRUE(stretched);
}

TEST(Backoff, StartsOverWhenNothingFailedForAWhileOrWhenTold) {
  Harness h;
  Backoff backoff(h.world.clock(), h.world.random(), {.jitter = 0});
  for (int i = 0; i < 5; ++i) (void)backoff.next();
  h.world.run_for(2min);
  EXPECT_EQ(backoff.next(), 25600ms) << "two minutes are not yet more than two minutes";
  h.world.run_for(2min + 1ns);
  EXPECT_EQ(backoff.next(), 800ms);
  EXPECT_EQ(backoff.next(), 1600ms);
  backoff.reset();
  EXPECT_EQ(backoff.next(), 800ms);
}

}  // namespace
}  // namespace podkeeper::runtime
