#pragma once

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace podkeeper::proofs {

/// What every proof is told: its size and its seed.
struct Options {
  bool small = false;
  std::uint64_t seed = 1;
  /// With --seeds: so many from the seed on, instead of all that the full size has.
  std::optional<std::uint64_t> seeds = {};
};
/// Whether a proof may be run in slices, with --seeds.
enum class Slices : bool { kNo, kYes };
/// Where the programs of this build are, and the recorded data.
std::string program(const std::string& name);
std::string data_file(const std::string& name);

/// Reads `--small --seed N`, and `--seeds COUNT` of a proof with slices; ends the process with 2 on
/// anything else.
Options parse_options(int argc, char** argv, Slices slices = Slices::kNo);

/// Runs a proof and prints its figures as one JSON object, the last line of the output, with
/// "result": "pass" or "fail". Returns main's exit code. What the proof throws is a failure with
/// its message.
int run_proof(int argc, char** argv, nlohmann::ordered_json (*proof)(const Options&),
              Slices slices = Slices::kNo);

/// Throws std::runtime_error(message) unless `holds`: how a proof fails.
void require(bool holds, const std::string& message);

/// Asks every 20 ms until `done` holds; throws naming `what` after `limit`.
template <class F>
void eventually(const std::string& what, std::chrono::seconds limit, F&& done);

std::string read_gzip(const std::string& path);
void pause(std::chrono::milliseconds time);

template <class F>
void eventually(const std::string& what, std::chrono::seconds limit, F&& done) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    require(std::chrono::steady_clock::now() < deadline,
            "not within " + std::to_string(limit.count()) + " s: " + what);
    pause(std::chrono::milliseconds(20));
  }
}

}  // namespace podkeeper::proofs
