#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace podkeeper::proofs {

/// A child process whose standard output and error are kept line by line. Killed and reaped by the
/// destructor. Thread-safe.
class Process {
 public:
  /// Starts `arguments[0]`; throws std::runtime_error when it cannot.
  explicit Process(std::vector<std::string> arguments);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// The first line, past or to come, that `wanted` accepts. Throws with the last lines when the
  /// process ends or the time is over first.
  std::string wait_for_line(const std::function<bool(const std::string&)>& wanted,
                            std::chrono::seconds limit);
  void signal(int number) const;
  /// Waits for the end: the exit code, or 128 + signal. Throws after `limit`.
  int wait(std::chrono::seconds limit);
  [[nodiscard]] bool alive() const;
  [[nodiscard]] std::vector<std::string> lines() const;

  [[nodiscard]] double cpu_seconds() const;       ///< user and system, all threads, from schedstat
  [[nodiscard]] std::uint64_t rss_bytes() const;  ///< now
  [[nodiscard]] std::uint64_t peak_rss_bytes() const;
  [[nodiscard]] std::size_t open_descriptors() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The port in a line such as `... address=127.0.0.1:8080 ...` or `listening on 127.0.0.1:8080`.
std::uint16_t port_in(const std::string& line);

}  // namespace podkeeper::proofs
