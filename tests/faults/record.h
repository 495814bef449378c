#pragma once

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>

namespace podkeeper::faults {

/// What one test saw of one row of the fault catalogue.
struct Seen {
  int row = 0;           ///< of the catalogue, tests/faults/catalogue.json
  std::string outcome;   ///< what happened: "serves its last state, marked stale"
  std::string evidence;  ///< the metric or log line that shows it
  /// From the end of the fault to the service as before; none where nothing was lost by it.
  std::optional<std::chrono::duration<double>> recovery;
};

/// Leaves a line of JSON for docs/faults.md in the file that PK_FAULT_RECORDS names, with the
/// running test's name and whether it has passed so far; nothing without that variable. Call it at
/// the end of the test.
inline void record(const Seen& seen) {
  const char* path = std::getenv("PK_FAULT_RECORDS");
  if (path == nullptr) return;
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  nlohmann::ordered_json line{
      {"row", seen.row},
      {"test", std::string(test->test_suite_name()) + "." + test->name()},
      {"source", test->file()},
      {"outcome", seen.outcome},
      {"evidence", seen.evidence},
      {"recoverySeconds", nullptr},
      {"passed", !::testing::Test::HasFailure()},
  };
  if (seen.recovery) line["recoverySeconds"] = seen.recovery->count();
  std::ofstream(path, std::ios::app) << line.dump() + "\n";
}

}  // namespace podkeeper::faults
