// Whole podkeeperds, clients and a faulty API server in seeded simulated worlds: etcd's guarantees
// of watch, mirrors, states, leadership and liveness hold in every one, every 100th replays step by
// step, and each planted bug of the field is found.
// The full size, 200,000 seeds and a virtual year, may be run in slices that add up, each a line of
// docs/proofs.jsonl: `scripts/prove simulation --seed 1 --seeds 50000`, then `--seed 50001`, and so
// on. A line a minute says how far it is: what is killed goes on from the seeds that were done.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <iostream>
#include <limits>
#include <optional>
#include <poll.h>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "tests/proofs/support/proof.h"
#include "tests/world/support/bugs.h"
#include "tests/world/support/scene.h"

namespace podkeeper::proofs {
namespace {

using nlohmann::ordered_json;
using world::Bug;
using world::SceneOptions;
using world::SceneReport;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;
using Hours = std::chrono::duration<double, std::ratio<3600>>;

constexpr std::uint64_t kSeeds = 200'000;
constexpr Hours kVirtual{365.25 * 24};
constexpr std::uint64_t kSmallSeeds = 500;             ///< without a planted bug
constexpr Seconds kBugTime{1'200}, kSmallBugTime{60};  ///< then a planted bug counts as not found
constexpr std::uint64_t kTwiceEvery = 100;
constexpr int kViolated = 3;

constexpr Seconds kTellEvery{2}, kProgressEvery{60};

/// What the scenes of one worker showed, as it tells its parent.
struct Sum {
  std::uint64_t seeds = 0, twice = 0, violated = 0, long_seeds = 0;
  std::uint64_t steps = 0, revisions = 0, events = 0, lists = 0, watches = 0, states = 0;
  std::uint64_t faults = 0, leader_writes = 0, takeovers = 0;
  double virtual_seconds = 0, cpu_seconds = 0, slowest_convergence = 0;
  double long_virtual_seconds = 0, long_cpu_seconds = 0;
  bool last = false;  ///< the worker is done

  void add(const SceneReport& report) {
    ++seeds;
    steps += report.steps;
    revisions += report.revisions;
    events += report.events;
    lists += report.lists;
    watches += report.watches;
    states += report.states;
    faults += report.faults;
    leader_writes += report.leader_writes;
    takeovers += report.takeovers;
    virtual_seconds += Seconds(report.virtual_time).count();
    if (report.is_long) {
      ++long_seeds;
      long_virtual_seconds += Seconds(report.virtual_time).count();
    }
    slowest_convergence = std::max(slowest_convergence, Seconds(report.convergence).count());
  }
  void add(const Sum& other) {
    seeds += other.seeds;
    twice += other.twice;
    violated += other.violated;
    steps += other.steps;
    revisions += other.revisions;
    events += other.events;
    lists += other.lists;
    watches += other.watches;
    states += other.states;
    faults += other.faults;
    leader_writes += other.leader_writes;
    takeovers += other.takeovers;
    virtual_seconds += other.virtual_seconds;
    cpu_seconds += other.cpu_seconds;
    long_seeds += other.long_seeds;
    long_virtual_seconds += other.long_virtual_seconds;
    long_cpu_seconds += other.long_cpu_seconds;
    slowest_convergence = std::max(slowest_convergence, other.slowest_convergence);
  }
};

void tell(const SceneOptions& options, const std::string& violation) {
  std::cout << violation << "\n" << world::replay_line(options) << std::endl;
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void run_one(std::uint64_t seed, Sum& sum) {
  const SceneOptions options{.seed = seed};
  const double before = cpu_seconds();
  const SceneReport report = world::run_scene(options);
  sum.add(report);
  if (report.is_long) sum.long_cpu_seconds += cpu_seconds() - before;
  if (!report.violations.empty()) {
    ++sum.violated;
    tell(options, report.violations.front());
  }
  if (seed % kTwiceEvery != 0) return;
  ++sum.twice;
  if (world::run_scene(options).trace_hash == report.trace_hash) return;
  ++sum.violated;
  tell(options, "the same seed went another way");
}

/// Work in a process of its own: a simulated world is one thread, and so is what the rooms below
/// share. It tells its parent how far it is.
class Worker {
 public:
  template <class Work>
  explicit Worker(Work work) {
    require(::pipe(pipe_) == 0, "no pipe");
    child_ = ::fork();
    require(child_ >= 0, "no process");
    if (child_ != 0) {
      ::close(pipe_[1]);
      return;
    }
    Sum sum;
    work(sum, *this);
    sum.last = true;
    tell(sum);
    ::_exit(0);
  }

  /// Of the child: now and then, and at last.
  void tell(Sum& sum) {
    const auto now = Clock::now();
    if (!sum.last && now - told_ < kTellEvery) return;
    told_ = now;
    sum.cpu_seconds = cpu_seconds();
    // Shorter than PIPE_BUF, and so written whole or not at all.
    if (::write(pipe_[1], &sum, sizeof sum) != sizeof sum) ::_exit(1);
  }
  /// Takes what the child told meanwhile; false once it told its last, or ended.
  bool follow() {
    if (::read(pipe_[0], &sum_, sizeof sum_) == sizeof sum_ && !sum_.last) return true;
    ::close(pipe_[0]);
    int status = 0;
    ::waitpid(child_, &status, 0);
    require(sum_.last && status == 0, "a worker ended with " + std::to_string(status));
    return false;
  }
  [[nodiscard]] const Sum& wait() {
    while (!sum_.last) follow();
    return sum_;
  }
  [[nodiscard]] const Sum& so_far() const noexcept { return sum_; }
  [[nodiscard]] int readable() const noexcept { return pipe_[0]; }

 private:
  int pipe_[2]{};
  pid_t child_ = -1;
  Clock::time_point told_ = Clock::now();
  Sum sum_;
};

std::uint64_t workers() {
  return static_cast<std::uint64_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
}

/// Seeds that a worker takes: every count-th from its own first on.
struct Share {
  const Options& options;
  std::uint64_t first, count;

  void run(Sum& sum, Worker& worker) const {
    for (std::uint64_t seed = first; goes_on(seed, sum); seed += count) {
      run_one(seed, sum);
      worker.tell(sum);
    }
  }

 private:
  [[nodiscard]] bool goes_on(std::uint64_t seed, const Sum& sum) const {
    const std::uint64_t done = seed - options.seed;
    if (options.seeds) return done < *options.seeds;
    if (options.small) return done < kSmallSeeds;
    return done < kSeeds ||
           sum.virtual_seconds * static_cast<double>(count) < Seconds(kVirtual).count();
  }
};

Sum sum_of(const std::vector<Worker>& running) {
  Sum sum;
  for (const Worker& worker : running) sum.add(worker.so_far());
  return sum;
}

/// Up to which seed all are done, and what they showed.
void tell_progress(const Options& options, const std::vector<Worker>& running) {
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (const Worker& worker : running) least = std::min(least, worker.so_far().seeds);
  const Sum sum = sum_of(running);
  std::cout << "progress: seeds " << options.seed << " to "
            << options.seed + least * running.size() - 1 << " done, " << sum.seeds << " in all, "
            << sum.violated << " violations, " << Hours(Seconds(sum.virtual_seconds)).count()
            << " virtual hours, " << Hours(Seconds(sum.cpu_seconds)).count() << " CPU hours"
            << std::endl;
}

/// Follows them all until none is under way.
void follow(const Options& options, std::vector<Worker>& running) {
  std::vector<Worker*> open;
  for (Worker& worker : running) open.push_back(&worker);
  auto told = Clock::now();
  while (!open.empty()) {
    std::vector<pollfd> waiting;
    for (const Worker* worker : open) waiting.push_back({worker->readable(), POLLIN, 0});
    ::poll(waiting.data(), waiting.size(), 1'000);
    for (std::size_t i = open.size(); i-- > 0;) {
      if (waiting[i].revents != 0 && !open[i]->follow()) {
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    if (Clock::now() - told < kProgressEvery) continue;
    told = Clock::now();
    tell_progress(options, running);
  }
}

/// Scenes from the seed on, by all workers: a slice, kSmallSeeds, or until both full sizes are
/// reached.
Sum run_scenes(const Options& options) {
  std::cout << std::flush;
  const std::uint64_t count = workers();
  std::vector<Worker> running;
  running.reserve(count);
  for (std::uint64_t w = 0; w < count; ++w) {
    running.emplace_back([share = Share{options, options.seed + w, count}](Sum& sum, Worker& self) {
      share.run(sum, self);
    });
  }
  follow(options, running);
  return sum_of(running);
}

/// How many seeds it took to find it.
std::uint64_t seeds_to_find(Bug bug, const Options& options) {
  const auto ends = Clock::now() + (options.small ? kSmallBugTime : kBugTime);
  for (std::uint64_t seed = 1; Clock::now() < ends; ++seed) {
    const auto report = world::run_scene({.seed = seed, .planted = bug});
    if (!report.violations.empty()) return seed;
  }
  return 0;
}

/// The planted bugs and the seeds that each took, by all workers. Each worker tells through the
/// sum's fields nothing but the seeds of its bugs, one worker a bug.
ordered_json find_bugs(const Options& options) {
  ordered_json found;
  std::vector<Bug> bugs;
  for (int i = 1; i <= static_cast<int>(world::kLastBug); ++i) bugs.push_back(static_cast<Bug>(i));
  const std::size_t at_once = workers();
  for (std::size_t first = 0; first < bugs.size(); first += at_once) {
    const auto some = std::span(bugs).subspan(first, std::min(at_once, bugs.size() - first));
    std::vector<Worker> running;
    for (const Bug bug : some) {
      running.emplace_back(
          [bug, &options](Sum& sum, Worker&) { sum.seeds = seeds_to_find(bug, options); });
    }
    for (std::size_t i = 0; i < some.size(); ++i) {
      const std::uint64_t seeds = running[i].wait().seeds;
      require(seeds > 0, std::string("the planted bug was not found: ") + to_string(some[i]));
      found[to_string(some[i])] = seeds;
    }
  }
  return found;
}

ordered_json prove(const Options& options) {
  const auto begun = Clock::now();
  const ordered_json bugs = find_bugs(options);
  const Sum sum = run_scenes(options);
  const Hours real = Clock::now() - begun;
  require(sum.violated == 0, std::to_string(sum.violated) + " seeds violated a guarantee");
  return {{"firstSeed", options.seed},
          {"seeds", sum.seeds},
          {"violations", sum.violated},
          {"ranTwiceAlike", sum.twice},
          {"virtualHours", Hours(Seconds(sum.virtual_seconds)).count()},
          {"realHours", real.count()},
          {"cpuHours", Hours(Seconds(sum.cpu_seconds)).count()},
          {"longScenes", sum.long_seeds},
          {"longVirtualHours", Hours(Seconds(sum.long_virtual_seconds)).count()},
          {"longCpuHours", Hours(Seconds(sum.long_cpu_seconds)).count()},
          {"steps", sum.steps},
          {"revisionsUpstream", sum.revisions},
          {"listsJudged", sum.lists},
          {"watchesResumed", sum.watches},
          {"eventsJudged", sum.events},
          {"statesJudged", sum.states},
          {"faults", sum.faults},
          {"leaderWritesJudged", sum.leader_writes},
          {"takeovers", sum.takeovers},
          {"slowestConvergenceSeconds", sum.slowest_convergence},
          {"plantedBugsFound", bugs.size()},
          {"seedsToFind", bugs}};
}

std::optional<Bug> bug_of(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(world::kLastBug); ++i) {
    if (to_string(static_cast<Bug>(i)) == name) return static_cast<Bug>(i);
  }
  return std::nullopt;
}

/// `--only SEED [--bug NAME] [--tell]`: one scene, again.
int replay(std::span<char* const> arguments) {
  SceneOptions options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    const bool more = i + 1 < arguments.size();
    if (argument == "--only" && more) {
      options.seed = std::stoull(arguments[++i]);
    } else if (argument == "--bug" && more) {
      const auto bug = bug_of(arguments[++i]);
      if (!bug) return 2;
      options.planted = *bug;
    } else if (argument == "--tell") {
      options.tell = true;
    } else {
      return 2;
    }
  }
  const SceneReport report = world::run_scene(options);
  for (const auto& violation : report.violations) std::cout << violation << "\n";
  std::cout << "seed " << options.seed << ": " << Seconds(report.virtual_time).count()
            << " virtual seconds, " << report.steps << " steps, " << report.events
            << " events, trace " << std::hex << report.trace_hash << std::endl;
  return report.violations.empty() ? 0 : kViolated;
}

}  // namespace
}  // namespace podkeeper::proofs

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "--only") {
    return podkeeper::proofs::replay({argv + 1, static_cast<std::size_t>(argc - 1)});
  }
  return podkeeper::proofs::run_proof(argc, argv, podkeeper::proofs::prove,
                                      podkeeper::proofs::Slices::kYes);
}
