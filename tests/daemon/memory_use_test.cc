#include "daemon/memory_use.h"

#include "pkg/runtime/simulated_world.h"

#include <gtest/gtest.h>

#include <string>

namespace podkeeper::daemon {
namespace {

TEST(MemoryUse, IsUnknownWhereNothingCanBeRead) {
  runtime::SimulatedWorld world(1);
  EXPECT_FALSE(memory_use(world.files(), 0).has_value());
  EXPECT_FALSE(memory_use(world.files(), 1000).has_value());
}

TEST(MemoryUse, OfAContainerLeavesOutWhatTheSystemCanDrop) {
  runtime::SimulatedWorld world(1);
  world.put_file("/proc/self/cgroup", "0::/\n");
  world.put_file("/sys/fs/cgroup/memory.max", "1000\n");
  world.put_file("/sys/fs/cgroup/memory.current", "900\n");
  world.put_file("/sys/fs/cgroup/memory.stat", "anon 5\nfile 160\ninactive_file 150\n");
  const auto use = memory_use(world.files(), 0);
  ASSERT_TRUE(use.has_value());
  EXPECT_EQ(use->used, 750U);
  EXPECT_EQ(use->limit, 1000U);
  EXPECT_DOUBLE_EQ(use->part(), 0.75);
}

TEST(MemoryUse, IsThatOfItsOwnCgroupBeforeTheMountsRoot) {
  runtime::SimulatedWorld world(1);
  world.put_file("/sys/fs/cgroup/memory.max", "max\n");
  world.put_file("/sys/fs/cgroup/memory.current", "7000\n");
  // The host's path is told, and not to be found in the container's mount.
  world.put_file("/proc/self/cgroup", "0::/kubepods/pod1/ours\n");
  EXPECT_EQ(memory_use(world.files(), 0)->limit, MemoryUse::kUnlimited);
  EXPECT_EQ(memory_use(world.files(), 0)->part(), 0);
  world.put_file("/sys/fs/cgroup/kubepods/pod1/ours/memory.max", "500\n");
  world.put_file("/sys/fs/cgroup/kubepods/pod1/ours/memory.current", "100\n");
  EXPECT_EQ(memory_use(world.files(), 0)->limit, 500U);
}

TEST(MemoryUse, IsToldByTheFirstVersionOfCgroupsToo) {
  runtime::SimulatedWorld world(1);
  const std::string ours = "/sys/fs/cgroup/memory/docker/ours";
  world.put_file("/proc/self/cgroup", "9:memory:/docker/ours\n8:cpu,cpuacct:/docker/other\n");
  world.put_file(ours + "/memory.limit_in_bytes", "2000\n");
  world.put_file(ours + "/memory.usage_in_bytes", "900\n");
  world.put_file(ours + "/memory.stat", "inactive_file 1\ntotal_inactive_file 300\n");
  EXPECT_EQ(memory_use(world.files(), 0)->used, 600U);
  EXPECT_EQ(memory_use(world.files(), 0)->limit, 2000U);
  world.put_file(ours + "/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(memory_use(world.files(), 0)->limit, MemoryUse::kUnlimited);
}

TEST(MemoryUse, IsResidentMemoryAgainstTheFlag) {
  runtime::SimulatedWorld world(1);
  world.put_file("/proc/self/status", "VmPeak:\t  95 kB\nVmSize:\t  90 kB\nVmRSS:\t   7 kB\n");
  EXPECT_EQ(memory_use(world.files(), 10'000)->used, 7U * 1024);
  EXPECT_EQ(memory_use(world.files(), 10'000)->limit, 10'000U);
}

TEST(MemoryUse, IsAddressSpaceAgainstItsLimit) {
  runtime::SimulatedWorld world(1);
  world.put_file("/proc/self/status", "VmSize:\t  90 kB\nVmRSS:\t   7 kB\n");
  world.put_file("/proc/self/limits", "Max address space         unlimited            unlimited\n");
  EXPECT_EQ(memory_use(world.files(), 0)->limit, MemoryUse::kUnlimited);
  world.put_file("/proc/self/limits", "Max address space         102400               102400\n");
  EXPECT_EQ(memory_use(world.files(), 0)->used, 90U * 1024);
  EXPECT_EQ(memory_use(world.files(), 0)->limit, 102'400U);
}

TEST(MemoryUse, IsAgainstTheNearestLimit) {
  runtime::SimulatedWorld world(1);
  world.put_file("/proc/self/status", "VmSize:\t  90 kB\nVmRSS:\t   7 kB\n");
  world.put_file("/sys/fs/cgroup/memory.max", "1000\n");
  world.put_file("/sys/fs/cgroup/memory.current", "900\n");
  EXPECT_EQ(memory_use(world.files(), 100'000)->limit, 1000U);
  EXPECT_EQ(memory_use(world.files(), 7'200)->limit, 7'200U);
}

}  // namespace
}  // namespace podkeeper::daemon
