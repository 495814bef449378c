#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/proofs/support/process.h"
#include "tests/proofs/support/proof.h"

namespace podkeeper::proofs {

/// A simkube process, listening.
struct Simkube {
  Simkube(std::vector<std::string> arguments);
  std::unique_ptr<Process> process;
  std::uint16_t port = 0;
};

/// A podkeeperd process with its API and health listeners on ports of the kernel's choice.
struct Podkeeperd {
  /// `open_files`: its limit on them, where not ours.
  Podkeeperd(std::vector<std::string> arguments, std::size_t open_files = 0);
  /// Returns once /readyz says ok.
  void wait_ready(std::chrono::seconds limit) const;
  /// Sends SIGTERM and requires exit code 0 within the grace period.
  void stop() const;
  std::unique_ptr<Process> process;
  std::uint16_t api_port = 0;
  std::uint16_t health_port = 0;
};

}  // namespace podkeeper::proofs
