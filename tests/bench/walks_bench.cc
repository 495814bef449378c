// A map that is walked: how long a find takes beside a writer and an endless full walk, what a
// snapshot of CopyOnWrite costs, and the first write after one.
#include "pkg/cmap/copy_on_write_map.h"
#include "pkg/cmap/map.h"
#include "pkg/cmap/record.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/bench/harness.h"
#include "tests/bench/maps_peers.h"
#include "tests/bench/maps_workload.h"

namespace podkeeper::bench {
namespace {

constexpr const char* kReference = "std::unordered_map+shared_mutex x256";

/// The companies a measured reader has.
enum class Beside { kNobody, kWriter, kWriterAndWalk };
constexpr std::array kCompanies = {Beside::kNobody, Beside::kWriter, Beside::kWriterAndWalk};
const char* name_of(Beside beside) {
  switch (beside) {
    case Beside::kNobody:
      return "alone";
    case Beside::kWriter:
      return "writer";
    case Beside::kWriterAndWalk:
      return "writer_and_walk";
  }
  return "?";
}

/// Times of finds, in nanoseconds of wall time, the clock's own 20 to 30 ns included.
struct Latency {
  double p50 = 0, p99 = 0, p999 = 0;
};

double at(std::vector<std::uint32_t>& sorted, double share) {
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

std::uint64_t now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(t.tv_nsec);
}

/// The streams of keys that all maps get alike.
struct Load {
  explicit Load(std::size_t count, std::size_t finds)
      : keys(count),
        draw(false, count),
        reads(make_steps(draw, 100, finds, 1)),
        writes(make_steps(draw, 0, 100'000, 2)) {}
  Keys keys;
  Draw draw;
  std::vector<Step> reads;
  std::vector<Step> writes;
};

template <class Map>
Latency time_finds(Map& map, const Load& load, Beside beside) {
  std::atomic<bool> done{false};
  std::vector<std::jthread> others;
  if (beside != Beside::kNobody) {
    others.emplace_back([&] {
      for (std::size_t i = 0; !done.load(std::memory_order_relaxed); ++i) {
        const Step step = load.writes[i % load.writes.size()];
        const Key key = cmap::make_key(load.keys[step.key]);
        if (static_cast<Act>(step.act) == Act::kErase) {
          map.erase(key);
        } else {
          map.put(key, i | 1);
        }
      }
    });
  }
  if (beside == Beside::kWriterAndWalk) {
    others.emplace_back([&] {
      while (!done.load(std::memory_order_relaxed)) {
        std::uint64_t sum = 0;
        map.each([&sum](std::uint64_t number) { sum += number; });
        keep(sum);
      }
    });
  }
  std::vector<std::uint32_t> times;
  times.reserve(load.reads.size());
  std::uint64_t sum = 0;
  for (const Step step : load.reads) {
    const Key key = cmap::make_key(load.keys[step.key]);
    const std::uint64_t before = now_ns();
    sum += map.find(key);
    times.push_back(static_cast<std::uint32_t>(std::min<std::uint64_t>(now_ns() - before, ~0u)));
  }
  keep(sum);
  done = true;
  others.clear();
  std::ranges::sort(times);
  return {at(times, 0.5), at(times, 0.99), at(times, 0.999)};
}

struct Contender {
  std::string name;
  std::function<Latency(Beside)> turn;
};

template <class Map>
Contender contender(std::string name, const Load& load) {
  auto map = std::make_shared<Map>();
  for (std::size_t i = 0; i < load.keys.size(); ++i) {
    map->put(cmap::make_key(load.keys[i]), i + 1);
  }
  for (const Step step : load.reads) map->find(cmap::make_key(load.keys[step.key]));
  return {std::move(name), [map, &load](Beside beside) { return time_finds(*map, load, beside); }};
}

double median_of(const std::vector<Latency>& all, double Latency::* which) {
  std::vector<double> values;
  for (const Latency& one : all) values.push_back(one.*which);
  return median(values);
}

void measure_latency(const Load& load, std::size_t repetitions, Report& report) {
  using cmap::Strategy;
  std::vector<Contender> all;
  all.push_back(contender<StdShards>(kReference, load));
  all.push_back(contender<BoostShards>("boost::unordered_flat_map+mutex x256", load));
  all.push_back(contender<Ours<Strategy::kMutex>>("Mutex", load));
  all.push_back(contender<Ours<Strategy::kRWMutex>>("RWMutex", load));
  all.push_back(contender<Ours<Strategy::kSharded>>("Sharded", load));
  all.push_back(contender<Ours<Strategy::kSyncMap>>("SyncMap", load));
  all.push_back(contender<Ours<Strategy::kCopyOnWrite>>("CopyOnWrite", load));
  all.push_back(contender<Ours<Strategy::kLockFree>>("LockFree", load));
  std::printf("find of %zu keys, ns: p50 p99 p99.9\n", load.keys.size());
  for (const Beside beside : kCompanies) {
    std::vector<std::vector<Latency>> taken(all.size());
    for (std::size_t r = 0; r < repetitions; ++r) {
      for (std::size_t i = 0; i < all.size(); ++i) taken[i].push_back(all[i].turn(beside));
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      std::printf("%-16s %-38s", name_of(beside), all[i].name.c_str());
      const std::pair<const char*, double Latency::*> quantiles[] = {
          {"p50", &Latency::p50}, {"p99", &Latency::p99}, {"p999", &Latency::p999}};
      for (const auto& [quantile, which] : quantiles) {
        const double ns = median_of(taken[i], which);
        std::printf(" %9.0f", ns);
        report.add(
            std::string("walks.find_") + name_of(beside) + "_" + quantile + "." + all[i].name, ns,
            "ns", i == 0 ? "" : kReference, median_of(taken[0], which) / ns);
      }
      std::printf("\n");
    }
  }
}

double thread_us() { return clock_seconds(CLOCK_THREAD_CPUTIME_ID) * 1e6; }

/// Snapshots of `count` keys, and puts of keys spread over all segments before and after each.
void measure_snapshots(std::size_t count, std::size_t repetitions, Report& report) {
  const Keys keys(count);
  cmap::CopyOnWriteMap map;
  const auto put = [&](std::size_t i) {
    const Key key = cmap::make_key(keys[i]);
    map.put(base::make_ref<const BenchRecord>(key, i));
  };
  for (std::size_t i = 0; i < count; ++i) put(i);
  constexpr std::size_t kPuts = 200;
  std::vector<double> snapshot_us, put_us, first_put_us;
  for (std::size_t r = 0; r < repetitions; ++r) {
    const auto puts = [&](std::vector<double>& times) {
      const double before = thread_us();
      for (std::size_t i = 0; i < kPuts; ++i) put((i * 7919 + r) % count);
      times.push_back((thread_us() - before) / kPuts);
    };
    puts(put_us);
    const double before = thread_us();
    const auto snapshot = map.snapshot();
    snapshot_us.push_back(thread_us() - before);
    puts(first_put_us);
  }
  const std::string size = std::to_string(count / 1000) + "k";
  const std::pair<const char*, double> figures[] = {
      {"snapshot", median(snapshot_us)},
      {"snapshot_slowest", std::ranges::max(snapshot_us)},
      {"put_without_snapshot", median(put_us)},
      {"first_put_after_snapshot", median(first_put_us)}};
  for (const auto& [figure, us] : figures) {
    std::printf("CopyOnWrite, %zu keys, %s: %.2f us of CPU time\n", count, figure, us);
    report.add(std::string("walks.") + figure + "_" + size + ".CopyOnWrite", us, "us", "", 0);
  }
}

int run(const Flags& flags) {
  Report report(flags);
  measure_latency(Load(flags.small ? 20'000 : 100'000, flags.small ? 20'000 : 200'000),
                  flags.small ? 1 : 5, report);
  measure_snapshots(100'000, 50, report);
  if (!flags.small) measure_snapshots(1'000'000, 50, report);
  return report.finish();
}

}  // namespace
}  // namespace podkeeper::bench

int main(int argc, char** argv) {
  return podkeeper::bench::run(podkeeper::bench::parse_flags(argc, argv));
}
