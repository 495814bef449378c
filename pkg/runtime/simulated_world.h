#pragma once

#include "pkg/base/world.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace podkeeper::runtime {

/// How the simulated network behaves. Latency is drawn per delivery, uniform in [min, max].
struct SimulatedNetworkOptions {
  base::Duration latency_min = std::chrono::microseconds(50);
  base::Duration latency_max = std::chrono::milliseconds(2);
  std::size_t read_bytes_max = 4096;  ///< a read gives 1 to this many bytes
  /// One read in so many, at least 1, gives a random count of what arrived, the others all of it.
  std::uint64_t short_read_in = 1;
};

/// A seeded world on one thread: an executor that picks its next ready task by seed, virtual time
/// that moves only when nothing can run, memory streams with random slices and latency, files in
/// memory. The same seed replays the same run, step by step. Must not be used from two threads.
class SimulatedWorld final : public base::World {
 public:
  explicit SimulatedWorld(std::uint64_t seed, SimulatedNetworkOptions network = {});
  ~SimulatedWorld() override;

  base::Clock& clock() override;
  base::Network& network() override;
  base::Random& random() override;
  base::Files& files() override;
  base::Executor make_executor() override;

  /// Runs until nothing is ready and no timer is set.
  void run();
  /// Runs until virtual time `duration` has passed, or nothing is left.
  void run_for(base::Duration duration);
  /// Runs until `done` is true (true), or `limit` of virtual time has passed or nothing is left
  /// (false).
  bool run_until(const std::function<bool()>& done, base::Duration limit);
  /// Starts `make()` as a task outside any group and runs until it ends: the body of a test. What
  /// it throws, this throws.
  void run_task(std::function<base::Task<void>()> make);

  /// Cuts every open connection: both ends see a reset.
  void cut_connections();
  /// Cuts them after a random count of further bytes each.
  void cut_connections_mid_stream();
  void put_file(std::string path, std::string content);

  [[nodiscard]] std::uint64_t steps() const noexcept;
  /// A digest of every choice made so far: equal for two runs that went the same way.
  [[nodiscard]] std::uint64_t trace_hash() const noexcept;
  [[nodiscard]] std::uint64_t seed() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace podkeeper::runtime
