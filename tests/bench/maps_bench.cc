// Concurrent maps by strategy, against sharded std, TBB, Abseil, Boost, liburcu and libcuckoo.
#include "pkg/cmap/map.h"
#include "pkg/cmap/record.h"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/bench/harness.h"
#include "tests/bench/maps_peers.h"
#include "tests/bench/maps_workload.h"

namespace podkeeper::bench {
namespace {

constexpr const char* kReference = "std::unordered_map+shared_mutex x256";

/// How much is measured.
struct Plan {
  std::size_t keys = 100'000;
  /// Of all threads together, in one repetition: enough for the caches to hold what this map and
  /// this load keep there, and no longer what the contender before left.
  std::size_t operations = 2'000'000;
  std::size_t repetitions = 5;
  std::vector<std::size_t> threads = {1, 2, 4, 8};
  std::vector<std::uint64_t> reads = {100, 99, 95, 50};  ///< per cent; 100: stable keys
};

/// One thread's operations. Each brings its key's bytes, one after the other, as a request does:
/// looking them up among all keys would cost as much as a find.
struct Stream {
  struct Operation {
    Act act;
    std::uint32_t key_bytes;
  };
  std::vector<Operation> operations;
  std::string bytes;
};

/// A workload that every contender gets alike.
struct Cell {
  std::string name;  ///< "z99_100k_2t": zipf, 99 % reads, 100k keys, 2 threads
  std::vector<Stream> threads;
};

/// A map under measurement.
class Contender {
 public:
  explicit Contender(std::string name) : name_(std::move(name)) {}
  virtual ~Contender() = default;
  [[nodiscard]] const std::string& name() const { return name_; }
  virtual void fill(const Keys& keys) = 0;
  virtual Cost run(const Cell& cell) = 0;
  /// Of the tables, without the records; 0 where the map does not tell.
  [[nodiscard]] virtual double bytes_per_entry() const = 0;

 private:
  std::string name_;
};

template <class Map>
class ContenderOf final : public Contender {
 public:
  ContenderOf(std::string name, std::size_t keys) : Contender(std::move(name)), map_(made(keys)) {}

  /// Every key is put once and then found once, as by a first LIST: so SyncMap has promoted them.
  void fill(const Keys& keys) override {
    run_threads(1, [&](std::size_t) {
      map_.enter();
      for (std::size_t i = 0; i < keys.size(); ++i) map_.put(cmap::make_key(keys[i]), i + 1);
      std::uint64_t sum = 0;
      for (std::size_t i = 0; i < keys.size(); ++i) sum += map_.find(cmap::make_key(keys[i]));
      keep(sum);
      map_.leave();
    });
  }

  /// The first third once more before, unmeasured: the contender before has the caches.
  Cost run(const Cell& cell) override {
    run_part(cell, 3);
    return run_part(cell, 1);
  }

  [[nodiscard]] double bytes_per_entry() const override {
    if constexpr (requires { map_.stats(); }) {
      const cmap::MapStats stats = map_.stats();
      return static_cast<double>(stats.table_bytes) / static_cast<double>(stats.entries);
    } else {
      return 0;
    }
  }

 private:
  static Map made(std::size_t keys) {
    if constexpr (std::constructible_from<Map, std::size_t>) {
      return Map(keys);
    } else {
      return Map();
    }
  }

  Cost run_part(const Cell& cell, std::size_t part) {
    return run_threads(cell.threads.size(), [&](std::size_t thread) {
      map_.enter();
      std::uint64_t sum = 0;
      const Stream& stream = cell.threads[thread];
      const char* next = stream.bytes.data();
      const std::size_t count = stream.operations.size() / part;
      for (const auto& [act, key_bytes] : std::span(stream.operations).first(count)) {
        const Key key = cmap::make_key({next, key_bytes});
        next += key_bytes;
        switch (act) {
          case Act::kFind:
            sum += map_.find(key);
            break;
          case Act::kPut:
            map_.put(key, sum | 1);
            break;
          case Act::kErase:
            map_.erase(key);
            break;
        }
      }
      keep(sum);
      map_.leave();
    });
  }

  Map map_;
};

std::vector<std::unique_ptr<Contender>> make_contenders(std::size_t keys) {
  using cmap::Strategy;
  std::vector<std::unique_ptr<Contender>> all;
  all.push_back(std::make_unique<ContenderOf<StdShards>>(kReference, keys));
  all.push_back(std::make_unique<ContenderOf<Tbb>>("tbb::concurrent_hash_map", keys));
  all.push_back(
      std::make_unique<ContenderOf<AbslShards>>("absl::flat_hash_map+absl::Mutex x256", keys));
  all.push_back(
      std::make_unique<ContenderOf<BoostShards>>("boost::unordered_flat_map+mutex x256", keys));
  all.push_back(std::make_unique<ContenderOf<Lfht>>("liburcu lfht (memb)", keys));
  all.push_back(std::make_unique<ContenderOf<Cuckoo>>("libcuckoo", keys));
  all.push_back(std::make_unique<ContenderOf<Ours<Strategy::kMutex>>>("Mutex", keys));
  all.push_back(std::make_unique<ContenderOf<Ours<Strategy::kRWMutex>>>("RWMutex", keys));
  all.push_back(std::make_unique<ContenderOf<Ours<Strategy::kSharded>>>("Sharded", keys));
  all.push_back(std::make_unique<ContenderOf<Ours<Strategy::kSyncMap>>>("SyncMap", keys));
  all.push_back(std::make_unique<ContenderOf<Ours<Strategy::kCopyOnWrite>>>("CopyOnWrite", keys));
  all.push_back(std::make_unique<ContenderOf<Ours<Strategy::kLockFree>>>("LockFree", keys));
  return all;
}

std::string name_of(const Plan& plan, bool zipf, std::uint64_t reads, std::size_t threads) {
  return (zipf ? "z" : "u") + std::to_string(reads) + "_" + std::to_string(plan.keys / 1000) +
         "k_" + std::to_string(threads) + "t";
}

Stream make_stream(const Keys& keys, const std::vector<Step>& steps) {
  Stream stream;
  for (const Step step : steps) {
    const std::string_view key = keys[step.key];
    stream.operations.push_back(
        {static_cast<Act>(step.act), static_cast<std::uint32_t>(key.size())});
    stream.bytes += key;
  }
  return stream;
}

Cell make_cell(const Plan& plan, const Keys& keys, const Draw& draw, bool zipf, std::uint64_t reads,
               std::size_t threads) {
  Cell cell{.name = name_of(plan, zipf, reads, threads), .threads = {}};
  for (std::size_t t = 0; t < threads; ++t) {
    cell.threads.push_back(
        make_stream(keys, make_steps(draw, reads, plan.operations / threads, 100 * reads + t)));
  }
  return cell;
}

void measure(const Plan& plan, const Cell& cell,
             const std::vector<std::unique_ptr<Contender>>& contenders, Report& report) {
  std::vector<std::function<Cost()>> turns;
  for (const auto& contender : contenders) {
    turns.emplace_back([&] { return contender->run(cell); });
  }
  const std::vector<Outcome> outcomes = interleave(plan.repetitions, turns);
  const auto operations = static_cast<double>(plan.operations);
  std::printf("%-12s", cell.name.c_str());
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    const Outcome& o = outcomes[i];
    const double mops = operations / o.cost.cpu_seconds / 1e6;
    if (i == 0) {
      std::printf(" %5.1f Mops/s", mops);
    } else {
      std::printf("  %5.2f (%4.2f)", o.cpu_ratio, o.wall_ratio);
    }
    report.add("maps." + cell.name + "." + contenders[i]->name(), mops, "Mops/s of CPU time",
               i == 0 ? "" : kReference, o.cpu_ratio);
  }
  std::printf("\n");
  std::fflush(stdout);
}

void report_bytes(const Plan& plan, const Contender& contender, Report& report) {
  const double bytes = contender.bytes_per_entry();
  if (bytes == 0) return;
  std::printf("table bytes per entry, %s: %.1f\n", contender.name().c_str(), bytes);
  report.add("maps.bytes_per_entry_" + std::to_string(plan.keys / 1000) + "k." + contender.name(),
             bytes, "B", "", 0);
}

bool any_wanted(const Flags& flags, const Plan& plan) {
  for (const std::uint64_t reads : plan.reads) {
    for (const std::size_t threads : plan.threads) {
      for (const bool zipf : {true, false}) {
        if (wanted(flags.cells, name_of(plan, zipf, reads, threads))) return true;
      }
    }
  }
  return false;
}

void measure_size(const Flags& flags, const Plan& plan, Report& report) {
  if (!any_wanted(flags, plan)) return;
  const Keys keys(plan.keys);
  auto contenders = make_contenders(plan.keys);
  std::erase_if(contenders, [&](const auto& contender) {
    return contender->name() != kReference && !wanted(flags.only, contender->name());
  });
  for (const auto& contender : contenders) contender->fill(keys);
  std::printf("\n%zu keys; CPU ratio (wall ratio) to %s\n", plan.keys, kReference);
  std::printf("%-12s %12s", "", "reference");
  for (std::size_t i = 1; i < contenders.size(); ++i) {
    std::printf("  %.12s", (contenders[i]->name() + "            ").c_str());
  }
  std::printf("\n");
  for (const bool zipf : {true, false}) {
    const Draw draw(zipf, plan.keys);
    for (const std::uint64_t reads : plan.reads) {
      for (const std::size_t threads : plan.threads) {
        if (!wanted(flags.cells, name_of(plan, zipf, reads, threads))) continue;
        measure(plan, make_cell(plan, keys, draw, zipf, reads, threads), contenders, report);
      }
    }
  }
  for (const auto& contender : contenders) report_bytes(plan, *contender, report);
}

int run(const Flags& flags) {
  Report report(flags);
  Plan plan;
  if (flags.small) {
    plan.operations = 100'000;
    plan.repetitions = 3;
    plan.threads = {1, 2};
    plan.reads = {100, 95, 50};
  }
  measure_size(flags, plan, report);
  if (!flags.small) {
    plan.keys = 1'000'000;
    plan.reads = {99, 95, 50};
    if (!flags.large) plan.threads = {1, 2};
    measure_size(flags, plan, report);
  }
  return report.finish();
}

}  // namespace
}  // namespace podkeeper::bench

int main(int argc, char** argv) {
  return podkeeper::bench::run(podkeeper::bench::parse_flags(argc, argv));
}
