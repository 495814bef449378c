// The longest put while a map grows from empty, by strategy, against sharded std and Boost maps;
// and what neighbouring locks cost when they share a cache line.
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/cmap/map.h"
#include "pkg/cmap/record.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "tests/bench/harness.h"
#include "tests/bench/maps_peers.h"
#include "tests/bench/maps_workload.h"

namespace podkeeper::bench {
namespace {

using cmap::Strategy;

/// How long each put of one growth took, in microseconds of the thread's CPU time, so that being
/// preempted does not count.
using Times = std::span<float>;

/// Times `put(i)` for each key.
void time_puts(Times took, const std::function<void(std::size_t)>& put) {
  double before = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
  for (std::size_t i = 0; i < took.size(); ++i) {
    put(i);
    const double now = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    took[i] = static_cast<float>((now - before) * 1e6);
    before = now;
  }
}

/// The first puts of a process, into another map: they pay for what is loaded or made only once.
template <class Map>
void begin(const Keys& keys) {
  Map map;
  for (std::size_t i = 0; i < 1'000; ++i) map.put(cmap::make_key(keys[i]), i + 1);
}

template <class Map>
void grow(const Keys& keys, Times took) {
  begin<Map>(keys);
  Map map;
  time_puts(took, [&](std::size_t i) { map.put(cmap::make_key(keys[i]), i + 1); });
}

/// Of the map alone: the records are made before.
template <Strategy kStrategy>
void grow_with_records(const Keys& keys, Times took) {
  begin<Ours<kStrategy>>(keys);
  std::vector<base::Ref<const BenchRecord>> records;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    records.push_back(base::make_ref<const BenchRecord>(cmap::make_key(keys[i]), i + 1));
  }
  cmap::Map<BenchRecord> map(cmap::MapOptions{.strategy = kStrategy});
  time_puts(took, [&](std::size_t i) { map.put(std::move(records[i])); });
}

/// No map at all: what the clock and the machine beneath add to every other figure.
void grow_nothing(const Keys& keys, Times took) {
  time_puts(took, [&](std::size_t i) { keep(keys[i]); });
}

struct Contender {
  std::string name;
  std::function<void(const Keys&, Times)> grow;
};

/// Memory that a child process fills for its parent.
class SharedTimes {
 public:
  explicit SharedTimes(std::size_t count)
      : memory_(mmap(nullptr, count * sizeof(float), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0)),
        count_(count) {
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
  }
  ~SharedTimes() { munmap(memory_, count_ * sizeof(float)); }
  SharedTimes(const SharedTimes&) = delete;
  SharedTimes& operator=(const SharedTimes&) = delete;
  [[nodiscard]] Times all() const { return {static_cast<float*>(memory_), count_}; }

 private:
  void* memory_;
  std::size_t count_;
};

/// One growth in a process of its own: each begins with the same memory, so that the i-th put has
/// the same work to do, page faults included, in every repetition.
std::vector<float> grow_apart(const Contender& contender, const Keys& keys) {
  const SharedTimes times(keys.size());
  const pid_t child = fork();
  if (child == 0) {
    std::ranges::fill(times.all(), 0.0F);  // faults its pages in
    contender.grow(keys, times.all());
    _exit(0);
  }
  int status = -1;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
    std::fprintf(stderr, "the growth of %s failed\n", contender.name.c_str());
    std::exit(1);
  }
  return {times.all().begin(), times.all().end()};
}

/// What the puts of a contender's repetitions come to.
struct Puts {
  double longest = 0;  ///< of the puts' medians over the repetitions: what the map always pays
  double p9999 = 0;    ///< likewise
  double mean = 0;
  double longest_seen = 0;  ///< of all puts: with what the machine did meanwhile
};

Puts summed_up(const std::vector<std::vector<float>>& repetitions) {
  const std::size_t count = repetitions.front().size();
  Puts puts;
  std::vector<double> medians(count);
  std::vector<double> one(repetitions.size());
  for (std::size_t i = 0; i < count; ++i) {
    std::ranges::transform(repetitions, one.begin(),
                           [i](const auto& times) { return static_cast<double>(times[i]); });
    puts.longest_seen = std::max(puts.longest_seen, std::ranges::max(one));
    medians[i] = median(one);
    puts.mean += medians[i] / static_cast<double>(count);
  }
  std::ranges::sort(medians);
  puts.longest = medians.back();
  puts.p9999 = medians[count - 1 - count / 10'000];
  return puts;
}

void measure_growth(const Flags& flags, Report& report) {
  std::vector<Contender> contenders = {
      {"boost::unordered_flat_map+mutex x256", grow<BoostShards>},
      {"std::unordered_map+shared_mutex x256", grow<StdShards>},
      {"Mutex", grow<Ours<Strategy::kMutex>>},
      {"SyncMap", grow<Ours<Strategy::kSyncMap>>},
      {"Sharded", grow<Ours<Strategy::kSharded>>},
      {"CopyOnWrite", grow<Ours<Strategy::kCopyOnWrite>>},
      {"LockFree", grow<Ours<Strategy::kLockFree>>},
      {"Sharded, records made before", grow_with_records<Strategy::kSharded>},
      {"LockFree, records made before", grow_with_records<Strategy::kLockFree>},
      {"nothing", grow_nothing},
  };
  std::erase_if(contenders, [&, peer = contenders.front().name](const Contender& contender) {
    return contender.name != peer && !wanted(flags.only, contender.name);
  });
  const std::size_t count = flags.small ? 100'000 : 1'000'000;
  const Keys keys(count);
  std::vector<std::vector<std::vector<float>>> all(contenders.size());
  for (std::size_t repetition = 0; repetition < 5; ++repetition) {
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      all[i].push_back(grow_apart(contenders[i], keys));
    }
  }
  std::printf("a put while growing to %zu keys, us of CPU time: longest, p99.99, mean; seen once\n",
              count);
  const double peer = summed_up(all[0]).longest;
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    const Puts puts = summed_up(all[i]);
    std::printf("%-40s %9.1f %7.1f %6.2f %9.1f\n", contenders[i].name.c_str(), puts.longest,
                puts.p9999, puts.mean, puts.longest_seen);
    report.add("growth.longest_put_" + std::to_string(count / 1000) + "k." + contenders[i].name,
               puts.longest, "us of CPU time", i == 0 ? "" : contenders[0].name,
               peer / puts.longest);
  }
}

struct Shard {
  base::Mutex mutex;
  std::uint64_t count = 0;
};
struct alignas(64) ShardApart : Shard {};

template <class S>
struct alignas(64) Neighbours {
  std::array<S, 2> shards;
};

constexpr std::size_t kBurst = 2'000;  ///< locks; far less than a thread's share of time

/// Nanoseconds a lock over one burst of them.
double lock_burst(Shard& mine) {
  const double before = clock_seconds(CLOCK_MONOTONIC);
  for (std::size_t i = 0; i < kBurst; ++i) {
    const base::Lock lock(mine.mutex);
    ++mine.count;
  }
  return (clock_seconds(CLOCK_MONOTONIC) - before) / static_cast<double>(kBurst) * 1e9;
}

/// Two threads, each on a core of its own and with a lock of its own, the locks next to each other
/// from the start of a line on. They spin until both run before each burst, so that on a busy
/// machine, too, they lock at the same time; bursts on a shared line and apart take turns.
struct NeighbourTimes {
  std::vector<double> shared;
  std::vector<double> apart;
};
NeighbourTimes lock_neighbours(std::size_t bursts) {
  const auto packed = std::make_unique<Neighbours<Shard>>();
  const auto padded = std::make_unique<Neighbours<ShardApart>>();
  std::atomic<std::size_t> arrived{0};
  std::array<NeighbourTimes, 2> times;
  run_threads(2, [&](std::size_t thread) {
    pin_to_core(thread);
    for (std::size_t burst = 0; burst < bursts; ++burst) {
      const bool share = burst % 2 == 0;
      arrived.fetch_add(1);
      while (arrived.load() < 2 * (burst + 1)) {
      }
      Shard& mine = share ? packed->shards[thread] : padded->shards[thread];
      (share ? times[thread].shared : times[thread].apart).push_back(lock_burst(mine));
    }
  });
  for (const double ns : times[1].shared) times[0].shared.push_back(ns);
  for (const double ns : times[1].apart) times[0].apart.push_back(ns);
  return times[0];
}

void measure_false_sharing(const Flags& flags, Report& report) {
  const NeighbourTimes times = lock_neighbours(flags.small ? 400 : 4'000);
  const double shared = median(times.shared);
  const double apart = median(times.apart);
  std::printf("two threads at neighbouring locks: %.1f ns on a shared line, %.1f ns apart (%.2f)\n",
              shared, apart, shared / apart);
  report.add("growth.false_sharing.lock_on_its_own_line", apart, "ns", "locks on a shared line",
             shared / apart);
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
