#pragma once

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
  std::optional<std::chrono::duration<double>> recovery = {};
};

/// Appends a line of JSON to the file that PK_FAULT_RECORDS names; nothing without that variable.
inline void write_record(const Seen& seen, const std::string& test, const std::string& source,
                         bool passed) {
  const char* path = std::getenv("PK_FAULT_RECORDS");
  if (path == nullptr) return;
  nlohmann::ordered_json line{
      {"row", seen.row},           {"test", test},
      {"source", source},          {"outcome", seen.outcome},
      {"evidence", seen.evidence}, {"recoverySeconds", nullptr},
      {"passed", passed},
  };
  if (seen.recovery) line["recoverySeconds"] = seen.recovery->count();
  std::ofstream(path, std::ios::app) << line.dump() + "\n";
}

}  // namespace podkeeper::faults
