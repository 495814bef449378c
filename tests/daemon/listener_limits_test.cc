#include "daemon/listener_limits.h"

#include "pkg/runtime/simulated_world.h"

#include <gtest/gtest.h>

namespace podkeeper::daemon {
namespace {

TEST(ListenerLimits, ReadTheSoftLimitOnOpenFiles) {
  runtime::SimulatedWorld world(1);
  EXPECT_GT(descriptors_max(world.files()), 1'000'000U) << "unknown limits nothing";
  world.put_file("/proc/self/limits",
                 "Limit                     Soft Limit           Hard Limit           Units\n"
                 "Max open files            1024                 1048576              files\n");
  EXPECT_EQ(descriptors_max(world.files()), 1024U);
  world.put_file("/proc/self/limits", "Max open files            unlimited            unlimited\n");
  EXPECT_GT(descriptors_max(world.files()), 1'000'000U);
}

TEST(ListenerLimits, AreTheSettingsWhereDescriptorsSuffice) {
  const auto limits = listener_limits({}, 65'536);
  ASSERT_TRUE(limits.has_value());
  EXPECT_EQ(limits->api.connections_max, 10'000U);
  EXPECT_EQ(limits->api.connections_per_source_max, 5'000U);
}

TEST(ListenerLimits, AlwaysLeaveDescriptorsToHealthAndToTheProcessItself) {
  settings::Settings settings;
  settings.max_connections = 1'000'000;
  for (const bool standalone : {false, true}) {
    settings.standalone = standalone;
    for (const std::size_t descriptors : {600U, 1'024U, 4'096U, 20'000U, 1'048'576U}) {
      const auto limits = listener_limits(settings, descriptors);
      ASSERT_TRUE(limits.has_value()) << descriptors;
      http::ServerLimits embedded;
      embedded.connections_max = embedded_connections_max(descriptors);
      const std::size_t all = http::descriptors_needed(limits->api) +
                              2 * http::descriptors_needed(limits->aside) + kOwnDescriptors +
                              (standalone ? http::descriptors_needed(embedded) : 0);
      EXPECT_LE(all, descriptors);
      EXPECT_LT(limits->api.connections_per_source_max, limits->api.connections_max);
    }
  }
}

TEST(ListenerLimits, RefuseToServeNobody) {
  const auto limits = listener_limits({}, 256);
  ASSERT_FALSE(limits.has_value());
  EXPECT_NE(limits.error().message.find("ulimit -n"), std::string::npos);
}

}  // namespace
}  // namespace podkeeper::daemon
