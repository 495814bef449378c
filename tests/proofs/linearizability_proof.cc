// Ten million recorded operations per strategy while the map changes to another strategy and back
// every 10 ms: readers, writers and walks see one order of each key's operations, without one
// violation.

#include "pkg/cmap/map.h"

#include <string>
#include <vector>

#include "tests/cmap/support/linearizability.h"
#include "tests/cmap/support/recorder.h"
#include "tests/cmap/support/switching.h"
#include "tests/faults/record_line.h"
#include "tests/proofs/support/proof.h"

namespace podkeeper::proofs {
namespace {

using nlohmann::ordered_json;
using namespace cmap::testing;
using cmap::MapOptions;
using cmap::Strategy;

/// From the strategy through every other one, and back to it each time.
std::vector<MapOptions> route_of(Strategy strategy) {
  std::vector<MapOptions> route;
  for (const Strategy other : cmap::kStrategies) {
    route.push_back({.strategy = other, .shards = other == strategy ? std::size_t{16} : 4});
    route.push_back({.strategy = strategy, .shards = 4});
  }
  return route;
}

struct Sum {
  std::size_t operations = 0;
  std::uint64_t swaps = 0;
  std::size_t configurations = 0;
};

void record_and_check(Strategy strategy, const RecordOptions& options, Sum& sum) {
  Switching map(MapOptions{.strategy = strategy, .shards = 4});
  Recorded recorded;
  {
    const Swapper swapper(map.map(), {.route = route_of(strategy),
                                      .pause = [] { pause(std::chrono::milliseconds(10)); }});
    recorded = record(map, options);
    sum.swaps += swapper.swaps();
  }
  sum.operations += recorded.history.size();
  const std::string where =
      std::string(cmap::to_string(strategy)) + ", seed " + std::to_string(options.seed) + ": ";
  require(recorded.broken.empty(), where + recorded.broken);
  const Verdict verdict = check_linearizable(std::move(recorded.history));
  sum.configurations += verdict.configurations;
  require(verdict.kind == Verdict::Kind::kLinearizable, where + verdict.why);
}

ordered_json prove(const Options& options) {
  const std::size_t wanted = options.small ? 30'000 : 10'000'000;
  // What is checked at once.
  auto run = RecordOptions{.operations = options.small ? 8'000u : 25'000u, .fillers = 2'000};
  ordered_json figures;
  for (const Strategy strategy : cmap::kStrategies) {
    Sum sum;
    run.seed = options.seed;
    for (; sum.operations < wanted; ++run.seed) record_and_check(strategy, run, sum);
    require(sum.swaps > 0, "nothing was swapped");
    figures[cmap::to_string(strategy)] = {{"operations", sum.operations},
                                          {"swaps", sum.swaps},
                                          {"violations", 0},
                                          {"configurations", sum.configurations}};
  }
  faults::write_record({.row = 31,
                        .outcome = "a change every 10 ms under readers, writers and walks: every "
                                   "history of every strategy is linearizable",
                        .evidence = "podkeeper_map_info; /state/v1/maps",
                        .recovery = {}},
                       "scripts/prove linearizability", __FILE__, true);
  return figures;
}

}  // namespace
}  // namespace podkeeper::proofs

int main(int argc, char** argv) {
  return podkeeper::proofs::run_proof(argc, argv, podkeeper::proofs::prove);
}
