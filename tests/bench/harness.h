#pragma once

#include <nlohmann/json.hpp>

#include <algorithm>
#include <barrier>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <pthread.h>
#include <sched.h>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

/// What the benchmarks have in common. A figure is a ratio to a named peer, measured in the same
/// run: the contenders take turns, repetition by repetition, and the median of the repetitions'
/// ratios counts. On a shared machine CPU time is the measure to trust; wall time is a note beside
/// it.
namespace podkeeper::bench {

/// The command line every benchmark takes: --small (a check that it runs, <= 20 s), --large (the
/// sizes that take longer), --json FILE (one JSON object a figure, appended); where a benchmark
/// says so, --only NAME (a contender, beside the peer) and --cell NAME (a workload), each as often
/// as there are some.
struct Flags {
  bool small = false;
  bool large = false;
  std::string json;
  std::vector<std::string> only;
  std::vector<std::string> cells;
};
/// Whether `name` is among those asked for; all are when none is.
inline bool wanted(const std::vector<std::string>& names, const std::string& name) {
  return names.empty() || std::ranges::find(names, name) != names.end();
}
inline Flags parse_flags(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--small") {
      flags.small = true;
    } else if (argument == "--large") {
      flags.large = true;
    } else if (argument == "--json" && i + 1 < argc) {
      flags.json = argv[++i];
    } else if (argument == "--only" && i + 1 < argc) {
      flags.only.emplace_back(argv[++i]);
    } else if (argument == "--cell" && i + 1 < argc) {
      flags.cells.emplace_back(argv[++i]);
    } else {
      std::fprintf(stderr,
                   "unknown flag '%s'; usage: %s [--small | --large] [--json FILE] "
                   "[--only NAME]... [--cell NAME]...\n",
                   argv[i], argv[0]);
      std::exit(2);
    }
  }
  return flags;
}

inline double clock_seconds(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

/// What a piece of work took, over all its threads.
struct Cost {
  double wall_seconds = 0;
  double cpu_seconds = 0;
};

/// Runs `body(thread)` on so many threads that start together.
inline Cost run_threads(std::size_t threads, const std::function<void(std::size_t)>& body) {
  std::vector<double> cpu(threads, 0);
  std::vector<double> began(threads, 0);
  std::vector<double> ended(threads, 0);
  std::barrier start(static_cast<std::ptrdiff_t>(threads));
  {
    std::vector<std::jthread> all;
    for (std::size_t t = 0; t < threads; ++t) {
      all.emplace_back([&, t] {
        start.arrive_and_wait();
        began[t] = clock_seconds(CLOCK_MONOTONIC);
        const double before = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
        body(t);
        cpu[t] = clock_seconds(CLOCK_THREAD_CPUTIME_ID) - before;
        ended[t] = clock_seconds(CLOCK_MONOTONIC);
      });
    }
  }
  Cost cost{.wall_seconds = std::ranges::max(ended) - std::ranges::min(began)};
  for (const double seconds : cpu) cost.cpu_seconds += seconds;
  return cost;
}

/// Keeps the calling thread on the i-th of the cores that the process may use; where there are
/// fewer, they are shared.
inline void pin_to_core(std::size_t i) {
  cpu_set_t all;
  if (sched_getaffinity(0, sizeof all, &all) != 0) return;
  std::size_t skip = i % static_cast<std::size_t>(CPU_COUNT(&all));
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &all) || skip-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    return;
  }
}

inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// One contender's outcome of interleave().
struct Outcome {
  Cost cost;  ///< medians
  double cpu_ratio =
      1;  ///< how many times less CPU than the first contender: median of the repetitions' ratios
  double wall_ratio = 1;  ///< likewise, wall time
};

/// Lets the contenders take turns for so many repetitions; the first is the peer the others are
/// compared with.
inline std::vector<Outcome> interleave(std::size_t repetitions,
                                       const std::vector<std::function<Cost()>>& contenders) {
  const std::size_t n = contenders.size();
  std::vector<std::vector<double>> cpu(n), wall(n), cpu_ratio(n), wall_ratio(n);
  for (std::size_t repetition = 0; repetition < repetitions; ++repetition) {
    Cost first;
    for (std::size_t i = 0; i < n; ++i) {
      const Cost cost = contenders[i]();
      if (i == 0) first = cost;
      cpu[i].push_back(cost.cpu_seconds);
      wall[i].push_back(cost.wall_seconds);
      cpu_ratio[i].push_back(first.cpu_seconds / cost.cpu_seconds);
      wall_ratio[i].push_back(first.wall_seconds / cost.wall_seconds);
    }
  }
  std::vector<Outcome> outcomes(n);
  for (std::size_t i = 0; i < n; ++i) {
    outcomes[i] = {.cost = {.wall_seconds = median(wall[i]), .cpu_seconds = median(cpu[i])},
                   .cpu_ratio = median(cpu_ratio[i]),
                   .wall_ratio = median(wall_ratio[i])};
  }
  return outcomes;
}

/// Collects figures. finish() prints all as one JSON object, the program's last line, and appends
/// one line a figure to the file of --json.
class Report {
 public:
  explicit Report(const Flags& flags) : json_(flags.json) {}

  /// `ratio` is against `peer`; 0 where there is no peer.
  void add(const std::string& figure, double value, const std::string& unit,
           const std::string& peer, double ratio) {
    nlohmann::json one = {{"value", rounded(value)}, {"unit", unit}};
    if (!peer.empty()) {
      one["peer"] = peer;
      one["ratio"] = rounded(ratio);
    }
    figures_[figure] = one;
    one["figure"] = figure;
    lines_.push_back(one.dump());
  }

  int finish() {
    if (!json_.empty()) {
      std::ofstream file(json_, std::ios::app);
      for (const std::string& line : lines_) file << line << '\n';
      if (!file.flush()) {
        std::fprintf(stderr, "cannot write the figures to '%s'\n", json_.c_str());
        return 1;
      }
    }
    std::printf("%s\n", figures_.dump().c_str());
    return 0;
  }

 private:
  /// To four significant digits: more would be noise.
  static double rounded(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.4g", value);
    return std::strtod(text, nullptr);
  }

  std::string json_;
  std::vector<std::string> lines_;
  nlohmann::json figures_ = nlohmann::json::object();
};

/// Keeps the compiler from removing what nobody reads.
template <class T>
inline void keep(const T& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

}  // namespace podkeeper::bench
