// The longest put while a map grows from empty, by strategy, against sharded std and Boost maps;
// and what neighbouring locks cost when they share a cache line.
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/cmap/map.h"
#include "pkg/cmap/record.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/harness.h"
#include "tests/bench/maps_peers.h"
#include "tests/bench/maps_workload.h"

namespace podkeeper::bench {
namespace {

using cmap::Strategy;

/// Of the puts of one growth, in microseconds of the thread's CPU time, so that being preempted
/// does not count.
struct Puts {
  double longest = 0;
  double p9999 = 0;
  double mean = 0;
};

/// Times `put(i)` for each key.
Puts time_puts(std::size_t count, const std::function<void(std::size_t)>& put) {
  std::vector<float> took(count);
  double before = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
  for (std::size_t i = 0; i < count; ++i) {
    put(i);
    const double now = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    took[i] = static_cast<float>((now - before) * 1e6);
    before = now;
  }
  Puts puts;
  for (const float t : took) puts.mean += static_cast<double>(t) / static_cast<double>(count);
  std::ranges::sort(took);
  puts.longest = static_cast<double>(took.back());
  puts.p9999 = static_cast<double>(took[count - 1 - count / 10'000]);
  return puts;
}

template <class Map>
Puts grow(const Keys& keys) {
  Map map;
  return time_puts(keys.size(), [&](std::size_t i) { map.put(cmap::make_key(keys[i]), i + 1); });
}

/// Of the map alone: the records are made before, so that a new huge page for them does not count.
template <Strategy kStrategy>
Puts grow_with_records(const Keys& keys) {
  std::vector<base::Ref<const BenchRecord>> records;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    records.push_back(base::make_ref<const BenchRecord>(cmap::make_key(keys[i]), i + 1));
  }
  cmap::Map<BenchRecord> map(cmap::MapOptions{.strategy = kStrategy});
  return time_puts(keys.size(), [&](std::size_t i) { map.put(std::move(records[i])); });
}

struct Contender {
  std::string name;
  std::function<Puts(const Keys&)> grow;
};

void measure_growth(const Flags& flags, Report& report) {
  const std::vector<Contender> contenders = {
      {"boost::unordered_flat_map+mutex x256", grow<BoostShards>},
      {"std::unordered_map+shared_mutex x256", grow<StdShards>},
      {"Mutex", grow<Ours<Strategy::kMutex>>},
      {"SyncMap", grow<Ours<Strategy::kSyncMap>>},
      {"Sharded", grow<Ours<Strategy::kSharded>>},
      {"CopyOnWrite", grow<Ours<Strategy::kCopyOnWrite>>},
      {"LockFree", grow<Ours<Strategy::kLockFree>>},
      {"Sharded, records made before", grow_with_records<Strategy::kSharded>},
      {"LockFree, records made before", grow_with_records<Strategy::kLockFree>},
  };
  const std::size_t count = flags.small ? 100'000 : 1'000'000;
  const Keys keys(count);
  std::vector<std::array<std::vector<double>, 3>> all(contenders.size());
  for (std::size_t repetition = 0; repetition < (flags.small ? 3 : 5); ++repetition) {
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      const Puts puts = contenders[i].grow(keys);
      all[i][0].push_back(puts.longest);
      all[i][1].push_back(puts.p9999);
      all[i][2].push_back(puts.mean);
    }
  }
  std::printf("a put while growing to %zu keys, us of CPU time: longest, p99.99, mean\n", count);
  const double peer = median(all[0][0]);
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    const double longest = median(all[i][0]);
    std::printf("%-40s %9.1f %7.1f %6.2f\n", contenders[i].name.c_str(), longest, median(all[i][1]),
                median(all[i][2]));
    report.add("growth.longest_put_" + std::to_string(count / 1000) + "k." + contenders[i].name,
               longest, "us of CPU time", i == 0 ? "" : contenders[0].name, peer / longest);
  }
}

struct Shard {
  base::Mutex mutex;
  std::uint64_t count = 0;
};
struct alignas(64) ShardApart : Shard {};

/// Two threads, each with a lock of its own, next to each other from the start of a line on.
template <class S>
Cost lock_neighbours(std::size_t times) {
  struct alignas(64) Neighbours {
    std::array<S, 2> shards;
  };
  const auto neighbours = std::make_unique<Neighbours>();
  return run_threads(2, [&](std::size_t thread) {
    S& mine = neighbours->shards[thread];
    for (std::size_t i = 0; i < times; ++i) {
      const base::Lock lock(mine.mutex);
      ++mine.count;
    }
    keep(mine.count);
  });
}

void measure_false_sharing(const Flags& flags, Report& report) {
  const std::size_t times = flags.small ? 1'000'000 : 10'000'000;
  const auto outcomes = interleave(7, {[&] { return lock_neighbours<Shard>(times); },
                                       [&] { return lock_neighbours<ShardApart>(times); }});
  const auto ns = [&](const Outcome& o) {
    return o.cost.cpu_seconds / 2 / static_cast<double>(times) * 1e9;
  };
  std::printf("two threads at neighbouring locks: %.1f ns on a shared line, %.1f ns apart (%.2f)\n",
              ns(outcomes[0]), ns(outcomes[1]), outcomes[1].cpu_ratio);
  report.add("growth.false_sharing.lock_on_its_own_line", ns(outcomes[1]), "ns of CPU time",
             "locks on a shared cache line", outcomes[1].cpu_ratio);
}

int run(const Flags& flags) {
  Report report(flags);
  measure_false_sharing(flags, report);
  measure_growth(flags, report);
  return report.finish();
}

}  // namespace
}  // namespace podkeeper::bench

int main(int argc, char** argv) {
  return podkeeper::bench::run(podkeeper::bench::parse_flags(argc, argv));
}
