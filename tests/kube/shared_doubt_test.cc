#include "pkg/kube/shared_doubt.h"

#include "pkg/runtime/simulated_world.h"

#include <gtest/gtest.h>

namespace podkeeper::kube {
namespace {

TEST(SharedDoubt, ReachesAllButWhomItComesFrom) {
  runtime::SimulatedWorld world(1);
  ReflectorDoubt pods(world.clock()), nodes(world.clock()), gone(world.clock());
  SharedDoubt shared;
  for (const ReflectorDoubt& reflector : {pods, nodes, gone}) shared.add(reflector);
  shared.remove(gone);
  shared.raise(pods, "no word of a change");
  EXPECT_EQ(pods.reason(), "");
  EXPECT_EQ(nodes.reason(), "no word of a change");
  EXPECT_EQ(gone.reason(), "");
}

}  // namespace
}  // namespace podkeeper::kube
