// Changing the strategy of a map of a million live keys while one thread reads and one writes,
// against the same map before the change.
#include "pkg/base/epoch.h"
#include "pkg/cmap/map.h"
#include "pkg/runtime/seeded_random.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "tests/bench/harness.h"
#include "tests/bench/maps_workload.h"

namespace podkeeper::bench {
namespace {

using base::Epoch;
using cmap::MapOptions;
using cmap::Strategy;

class Numbered final : public cmap::Record {
 public:
  Numbered(cmap::Key key, std::uint64_t value) : value_(value) {
    set_key(key, sizeof(Numbered));  // the benchmark's keys outlive it
  }
  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }

 private:
  std::uint64_t value_;
};
using Map = cmap::Map<Numbered>;

base::Ref<const Numbered> numbered(const Keys& keys, std::size_t i, std::uint64_t value) {
  return base::make_ref<const Numbered>(cmap::make_key(keys[i]), value);
}

/// A reader that times every 16th find, and a writer that puts ever larger values: key i holds
/// round * size + i at any time, so any other answer is wrong, and so is one that goes back.
class Load {
 public:
  Load(Map& map, const Keys& keys)
      : map_(map),
        keys_(keys),
        reader_([this](const std::stop_token& stop) { read(stop); }),
        writer_([this](const std::stop_token& stop) { write(stop); }) {}

  /// Begins to count anew.
  void mark() { ++phase_; }
  void stop() {
    reader_.request_stop();
    writer_.request_stop();
    reader_.join();
    writer_.join();
  }
  [[nodiscard]] std::uint64_t wrong() const { return wrong_; }
  [[nodiscard]] const std::vector<double>& times(std::size_t phase) const { return times_[phase]; }
  [[nodiscard]] std::uint64_t reads(std::size_t phase) const { return reads_[phase]; }
  [[nodiscard]] std::uint64_t writes(std::size_t phase) const { return writes_[phase]; }
  static constexpr std::size_t kPhases = 3;

 private:
  void read(const std::stop_token& stop) {
    runtime::SeededRandom random(3);
    for (auto& times : times_) times.reserve(4'000'000);
    std::vector<std::uint64_t> last(keys_.size(), 0);
    for (std::uint64_t n = 0; !stop.stop_requested(); ++n) {
      const std::size_t phase = phase_.load(std::memory_order_relaxed);
      const std::size_t i = random.below(keys_.size());
      const cmap::Key key = cmap::make_key(keys_[i]);
      const Epoch::Guard guard;
      const double began = n % 16 == 0 ? clock_seconds(CLOCK_MONOTONIC) : 0;
      const Numbered* found = map_.find(guard, key);
      if (n % 16 == 0 && times_[phase].size() < times_[phase].capacity()) {
        times_[phase].push_back(clock_seconds(CLOCK_MONOTONIC) - began);
      }
      const std::uint64_t value = found == nullptr ? 0 : found->value();
      if (found == nullptr || value % keys_.size() != i || value < last[i]) ++wrong_;
      last[i] = value;
      ++reads_[phase];
    }
  }
  void write(const std::stop_token& stop) {
    runtime::SeededRandom random(5);
    for (std::uint64_t round = 2; !stop.stop_requested(); ++round) {
      const std::size_t i = random.below(keys_.size());
      map_.put(numbered(keys_, i, round * keys_.size() + i));
      ++writes_[phase_.load(std::memory_order_relaxed)];
    }
  }

  Map& map_;
  const Keys& keys_;
  std::atomic<std::size_t> phase_{0};
  std::atomic<std::uint64_t> wrong_{0};
  std::vector<double> times_[kPhases];
  std::uint64_t reads_[kPhases] = {};
  std::uint64_t writes_[kPhases] = {};
  std::jthread reader_;
  std::jthread writer_;
};

double p99_of(std::vector<double> times) {
  if (times.empty()) return 0;
  const auto at = times.begin() + static_cast<std::ptrdiff_t>(times.size() * 99 / 100);
  std::ranges::nth_element(times, at);
  return *at;
}

/// What a change took of the driver.
struct Swap {
  double wall_seconds = 0;
  double cpu_seconds = 0;
  std::size_t table_bytes_max = 0;
};

Swap swap(Map& map, const MapOptions& to) {
  Swap result;
  const double wall = clock_seconds(CLOCK_MONOTONIC);
  const double cpu = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
  auto migration = map.migrate(to);
  for (;;) {
    const auto step = migration->step(4'096);
    if (step == cmap::Migration::Step::kDone) break;
    result.table_bytes_max = std::max(result.table_bytes_max, map.stats().table_bytes);
    std::this_thread::yield();
  }
  result.wall_seconds = clock_seconds(CLOCK_MONOTONIC) - wall;
  result.cpu_seconds = clock_seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
  return result;
}

int measure(const Flags& flags, const Keys& keys, const MapOptions& from, const MapOptions& to,
            Report& report) {
  const std::string name =
      std::string(cmap::to_string(from.strategy)) + "_to_" + cmap::to_string(to.strategy);
  if (!wanted(flags.cells, name)) return 0;
  Map map(from);
  for (std::size_t i = 0; i < keys.size(); ++i) map.put(numbered(keys, i, keys.size() + i));
  Load load(map, keys);
  const auto window = std::chrono::milliseconds(flags.small ? 200 : 1'000);
  std::this_thread::sleep_for(window);
  const std::size_t bytes_before = map.stats().table_bytes;
  load.mark();
  const Swap result = swap(map, to);
  const std::size_t bytes_after = map.stats().table_bytes;
  load.mark();
  std::this_thread::sleep_for(window);
  load.stop();
  const double before = p99_of(load.times(0));
  const double during = p99_of(load.times(1));
  const double after = p99_of(load.times(2));
  const double tables = static_cast<double>(std::max(bytes_before, bytes_after));
  const double extra =
      (static_cast<double>(result.table_bytes_max) - static_cast<double>(bytes_before)) / tables;
  const double per_second = 1.0 / std::chrono::duration<double>(window).count();
  std::printf(
      "%-26s %5.2f s (%4.2f s CPU)  p99 before %6.0f ns, during %4.2f, after %4.2f  reads/s %4.2f, "
      "writes/s %4.2f of before  extra %4.2f tables  wrong %llu\n",
      name.c_str(), result.wall_seconds, result.cpu_seconds, before * 1e9, during / before,
      after / before,
      static_cast<double>(load.reads(1)) / result.wall_seconds /
          (static_cast<double>(load.reads(0)) * per_second),
      static_cast<double>(load.writes(1)) / result.wall_seconds /
          (static_cast<double>(load.writes(0)) * per_second),
      extra, static_cast<unsigned long long>(load.wrong()));
  report.add("swap." + name + ".seconds", result.wall_seconds, "s", "", 0);
  report.add("swap." + name + ".cpu_seconds", result.cpu_seconds, "s", "", 0);
  report.add("swap." + name + ".read_p99_during", during * 1e9, "ns", "the same map before",
             during / before);
  report.add("swap." + name + ".extra_tables", extra, "tables", "", 0);
  report.add("swap." + name + ".wrong_answers", static_cast<double>(load.wrong()), "", "", 0);
  return load.wrong() == 0 ? 0 : 1;
}

int run(const Flags& flags) {
  Report report(flags);
  const Keys keys(flags.small ? 50'000 : 1'000'000);
  const MapOptions sharded{.strategy = Strategy::kSharded};
  int failed = 0;
  for (const Strategy other : {Strategy::kLockFree, Strategy::kSyncMap, Strategy::kCopyOnWrite,
                               Strategy::kRWMutex, Strategy::kMutex}) {
    failed |= measure(flags, keys, sharded, {.strategy = other}, report);
    failed |= measure(flags, keys, {.strategy = other}, sharded, report);
  }
  const int finished = report.finish();
  return failed != 0 ? failed : finished;
}

}  // namespace
}  // namespace podkeeper::bench

int main(int argc, char** argv) {
  return podkeeper::bench::run(podkeeper::bench::parse_flags(argc, argv));
}
