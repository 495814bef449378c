#pragma once

#include "pkg/base/task.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace podkeeper::runtime {

/// A simulated world with a registry and one group. What still runs at the end of a test is stopped
/// and joined.
struct Harness {
  explicit Harness(std::uint64_t seed = 1, std::size_t tasks_max = TaskRegistry::kTasksMaxDefault)
      : world(seed), registry(world.clock(), tasks_max), group(world, registry, "test") {}
  ~Harness() {
    group.stop();
    world.run();
    EXPECT_EQ(group.size(), 0u) << "tasks that do not stop";
  }
  Harness(const Harness&) = delete;
  Harness& operator=(const Harness&) = delete;

  void spawn(std::string name, std::move_only_function<base::Task<void>()> make) {
    const auto started = group.spawn(std::move(name), base::Handler::kEvent, std::move(make));
    EXPECT_TRUE(started.has_value());
  }
  base::Task<void> pause(base::Duration duration) { return world.clock().sleep_for(duration); }
  [[nodiscard]] base::MonotonicTime now() { return world.clock().now(); }

  SimulatedWorld world;
  TaskRegistry registry;
  TaskGroup group;
};

}  // namespace podkeeper::runtime
