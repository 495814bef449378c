#include "pkg/kube/restore_notice.h"

#include "pkg/runtime/simulated_world.h"

#include <gtest/gtest.h>

namespace podkeeper::kube {
namespace {

TEST(RestoreNotice, ReachesAllButWhoFoundIt) {
  runtime::SimulatedWorld world(1);
  ReflectorDoubt pods(world.clock()), nodes(world.clock()), gone(world.clock());
  RestoreNotice notice;
  for (const ReflectorDoubt& reflector : {pods, nodes, gone}) notice.add(reflector);
  notice.remove(gone);
  notice.tell(pods, "pods");
  EXPECT_EQ(pods.reason(), "");
  EXPECT_EQ(nodes.reason(), "upstream was restored, as the list of pods shows");
  EXPECT_EQ(gone.reason(), "");
}

}  // namespace
}  // namespace podkeeper::kube
