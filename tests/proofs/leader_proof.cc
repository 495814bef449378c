// Leaders are killed, stopped, cut off and told to end in a simulated world, with clocks of
// different rates, until thousands of others have taken over: never do two lead or write, and the
// next one leads within the lease's duration and the retry period.

#include <algorithm>
#include <chrono>

#include "tests/leader/support/takeovers.h"
#include "tests/proofs/support/proof.h"

namespace podkeeper::proofs {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr std::size_t kTakeoversOfARun = 200;
constexpr Seconds kLeaseAndRetry{17};
constexpr Seconds kRetry{2};

nlohmann::ordered_json prove(const Options& options) {
  const std::uint64_t runs = options.small ? 1 : 50;
  leader::testing::TakeoverReport all;
  for (std::uint64_t run = 0; run < runs; ++run) {
    const std::uint64_t seed = options.seed + run;
    const auto report =
        leader::testing::run_takeovers({.seed = seed, .takeovers = kTakeoversOfARun});
    const std::string with = ", with the seed " + std::to_string(seed);
    require(report.violations.empty(),
            (report.violations.empty() ? "" : report.violations.front()) + with);
    require(report.slowest <= kLeaseAndRetry, "a lease was taken too late" + with);
    require(report.slowest_after_release <= kRetry, "a free lease was taken too late" + with);
    all.takeovers += report.takeovers;
    all.releases += report.releases;
    all.kills += report.kills;
    all.stops += report.stops;
    all.cuts += report.cuts;
    all.survived += report.survived;
    all.writes += report.writes;
    all.virtual_time += report.virtual_time;
    all.slowest = std::max(all.slowest, report.slowest);
    all.slowest_after_release = std::max(all.slowest_after_release, report.slowest_after_release);
  }
  return {{"takeovers", all.takeovers},
          {"afterARelease", all.releases},
          {"kills", all.kills},
          {"stops", all.stops},
          {"cuts", all.cuts},
          {"faultsSurvived", all.survived},
          {"writesJudged", all.writes},
          {"slowestSeconds", Seconds(all.slowest).count()},
          {"slowestAfterAReleaseSeconds", Seconds(all.slowest_after_release).count()},
          {"virtualHours", Seconds(all.virtual_time).count() / 3600}};
}

}  // namespace
}  // namespace podkeeper::proofs

int main(int argc, char** argv) {
  return podkeeper::proofs::run_proof(argc, argv, podkeeper::proofs::prove);
}
