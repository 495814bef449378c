// What a map's audit (off, sampled, all) and its tracepoints, which nobody watches, add to an
// operation, against the same map without its observers.

#include "pkg/base/clock.h"
#include "pkg/base/epoch.h"
#include "pkg/cmap/audit.h"
#include "pkg/cmap/map.h"
#include "pkg/runtime/seeded_random.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/harness.h"
#include "tests/bench/maps_workload.h"

namespace podkeeper::bench {
namespace {

using base::Epoch;
using cmap::AuditMode;

constexpr std::size_t kKeys = 10'000;  ///< few, so that cache misses do not hide what is measured
constexpr const char* kPeer = "the map without its observers";

class Numbered final : public cmap::Record {
 public:
  explicit Numbered(cmap::Key key) {
    set_key(key, sizeof(Numbered));  // the benchmark's keys outlive it
  }
};
using Map = cmap::Map<Numbered>;
using HashedKeys = std::vector<cmap::Key>;

class SteadyClock final : public base::Clock {
 public:
  [[nodiscard]] base::MonotonicTime now() const override {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return base::MonotonicTime(std::chrono::seconds(t.tv_sec) +
                               std::chrono::nanoseconds(t.tv_nsec));
  }
  [[nodiscard]] base::WallTime wall_now() const override { return {}; }
  TimerId call_at(base::MonotonicTime, base::Executor, Callback) override { return 0; }
  bool cancel(TimerId) override { return false; }
};

/// A full map under an audit; `audit` empty: used without its observers.
struct Subject {
  Subject(const HashedKeys& keys, std::optional<AuditMode> audit_, const base::Clock& clock)
      : audit(audit_) {
    for (const cmap::Key& key : keys) map.put(base::make_ref<const Numbered>(key));
    if (audit) map.set_audit({.mode = *audit, .clock = &clock});
  }
  Map map;
  std::optional<AuditMode> audit;
};

void find(Map& map, const cmap::Key& key, bool observed) {
  const Epoch::Guard guard;
  if (observed) {
    keep(map.find(guard, key));
  } else {
    keep(map.untyped().find(guard, key));
  }
}

void put(Map& map, const cmap::Key& key, bool observed) {
  auto record = base::make_ref<const Numbered>(key);
  if (observed) {
    map.put(std::move(record));
  } else {
    map.untyped().put(std::move(record));
  }
}

void erase_and_put(Map& map, const cmap::Key& key, bool observed) {
  if (observed) {
    map.erase(key);
  } else {
    map.untyped().erase(key);
  }
  put(map, key, observed);
}

std::string name_of(const Subject& subject) {
  if (!subject.audit) return kPeer;
  std::string name = cmap::to_string(*subject.audit);
  name.front() = static_cast<char>(name.front() - 'A' + 'a');
  return name;
}

template <class Run>
void measure(const char* what, const Run& run, const Flags& flags, std::size_t threads,
             const HashedKeys& keys, std::vector<std::unique_ptr<Subject>>& subjects,
             Report& report) {
  const std::size_t count = flags.small ? 50'000 : 200'000;
  std::vector<std::function<Cost()>> contenders;
  for (const auto& subject : subjects) {
    contenders.emplace_back([&, subject = subject.get()] {
      return run_threads(threads, [&](std::size_t thread) {
        runtime::SeededRandom random(3 + thread);
        const bool observed = subject->audit.has_value();
        for (std::size_t i = 0; i < count; ++i) {
          run(subject->map, keys[random.below(keys.size())], observed);
        }
      });
    });
  }
  const auto outcomes = interleave(flags.small ? 3 : 11, contenders);
  const double operations = static_cast<double>(count * threads);
  const double bare_ns = outcomes[0].cost.cpu_seconds / operations * 1e9;
  for (std::size_t i = 1; i < subjects.size(); ++i) {
    const double ns = outcomes[i].cost.cpu_seconds / operations * 1e9;
    const std::string figure =
        "audit." + std::string(what) + "_" + std::to_string(threads) + "t." + name_of(*subjects[i]);
    std::printf("%-28s %7.1f ns of CPU time, %+6.1f ns, %.3f times less than %s\n", figure.c_str(),
                ns, ns - bare_ns, outcomes[i].cpu_ratio, kPeer);
    report.add(figure, ns, "ns of CPU time", kPeer, outcomes[i].cpu_ratio);
  }
}

void measure_ring(const Flags& flags, Report& report) {
  const std::size_t count = flags.small ? 100'000 : 2'000'000;
  cmap::AuditRing ring(4096);
  std::vector<double> ns;
  for (int repetition = 0; repetition < 9; ++repetition) {
    const Cost cost = run_threads(1, [&](std::size_t) {
      for (std::size_t i = 0; i < count; ++i) {
        ring.note({.task_id = i}, "namespace-12/deployment-7f9c4-abcde", "reflector pods");
      }
    });
    ns.push_back(cost.cpu_seconds / static_cast<double>(count) * 1e9);
  }
  std::printf("%-28s %7.1f ns of CPU time\n", "audit.ring_note", median(ns));
  report.add("audit.ring_note", median(ns), "ns of CPU time", "", 0);
}

int bench(const Flags& flags) {
  const SteadyClock clock;
  const Keys texts(kKeys);
  HashedKeys keys;
  for (std::size_t i = 0; i < texts.size(); ++i) keys.push_back(cmap::make_key(texts[i]));
  std::vector<std::unique_ptr<Subject>> subjects;
  subjects.push_back(std::make_unique<Subject>(keys, std::nullopt, clock));
  for (const AuditMode mode : cmap::kAuditModes) {
    subjects.push_back(std::make_unique<Subject>(keys, mode, clock));
  }
  Report report(flags);
  for (const std::size_t threads : {std::size_t{1}, std::size_t{2}}) {
    measure("find", find, flags, threads, keys, subjects, report);
    measure("put", put, flags, threads, keys, subjects, report);
    measure("erase_put", erase_and_put, flags, threads, keys, subjects, report);
  }
  measure_ring(flags, report);
  return report.finish();
}

}  // namespace
}  // namespace podkeeper::bench

int main(int argc, char** argv) {
  return podkeeper::bench::bench(podkeeper::bench::parse_flags(argc, argv));
}
