// Two workers and the sweeper on one map for a minute under ThreadSanitizer, with events flowing
// and readers listing.
// Preset: tsan

#include "tests/controllers/race.h"
#include "tests/proofs/support/proof.h"

namespace podkeeper::proofs {
namespace {

nlohmann::ordered_json prove(const Options& options) {
  controllers::testing::Race race({.duration = std::chrono::seconds(options.small ? 5 : 60)});
  const auto report = race.run();
  require(report.differences.empty(),
          "a state differs from what the mirror says: " +
              (report.differences.empty() ? "" : report.differences[0]));
  require(report.went_back.empty(),
          "a state went back: " + (report.went_back.empty() ? "" : report.went_back[0]));
  require(report.changes > 100 && report.reads > 100, "hardly anything happened");
  return {{"changes", report.changes}, {"reads", report.reads}};
}

}  // namespace
}  // namespace podkeeper::proofs

int main(int argc, char** argv) {
  return podkeeper::proofs::run_proof(argc, argv, podkeeper::proofs::prove);
}
