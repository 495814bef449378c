#include "pkg/telemetry/process.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <string>
#include <unistd.h>
#include <vector>

namespace podkeeper::telemetry {
namespace {

double value_of(const Metrics& metrics, const std::string& name) {
  const std::string text = metrics.render();
  const auto at = text.find("\n" + name + " ");
  EXPECT_NE(at, std::string::npos) << name;
  return at == std::string::npos ? NAN : std::stod(text.substr(at + name.size() + 2));
}

TEST(ProcessCollector, TellsMemoryThreadsAndStart) {
  Metrics metrics;
  const ProcessCollector process(metrics);
  const double resident = value_of(metrics, "process_resident_memory_bytes");
  EXPECT_GT(resident, 1e6);
  EXPECT_GT(value_of(metrics, "process_virtual_memory_bytes"), resident);
  EXPECT_GE(value_of(metrics, "process_threads"), 1);
  EXPECT_GT(value_of(metrics, "process_max_fds"), 16);
  EXPECT_GT(value_of(metrics, "process_start_time_seconds"), 1.5e9);
}

TEST(ProcessCollector, CountsOpenFiles) {
  Metrics metrics;
  const ProcessCollector process(metrics);
  const double before = value_of(metrics, "process_open_fds");
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  EXPECT_EQ(value_of(metrics, "process_open_fds"), before + 2);
  close(ends[0]);
  close(ends[1]);
  EXPECT_EQ(value_of(metrics, "process_open_fds"), before);
}

TEST(ProcessCollector, CountsCpuTimeUpwards) {
  Metrics metrics;
  const ProcessCollector process(metrics);
  const double before = value_of(metrics, "process_cpu_seconds_total");
  double after = before;
  std::uint64_t work = 1;
  for (int rounds = 0; after == before && rounds < 10'000; ++rounds) {
    for (int i = 0; i < 1'000'000; ++i) work = work * 6364136223846793005U + 1;
    after = value_of(metrics, "process_cpu_seconds_total");
  }
  EXPECT_GT(after, before) << work;
}

TEST(ProcessCollector, KeepsWhatItHasWhenProcCannotBeRead) {
  Metrics metrics;
  const ProcessCollector process(metrics, "/nonexistent");
  EXPECT_EQ(value_of(metrics, "process_resident_memory_bytes"), 0);
}

}  // namespace
}  // namespace podkeeper::telemetry
