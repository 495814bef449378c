#pragma once

#include "pkg/base/net.h"
#include "pkg/runtime/seeded_random.h"
#include "pkg/runtime/simulated_scheduler.h"
#include "pkg/runtime/simulated_world.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

namespace podkeeper::runtime {

class SimulatedConnection;
class SimulatedListener;

/// The simulated world's network: listeners by port (whatever the host), connections as pairs of
/// bounded pipes. What real TCP may do, it does by seed: short reads, delays, a reset at any byte.
/// One thread.
class SimulatedNetwork final : public base::Network,
                               public std::enable_shared_from_this<SimulatedNetwork> {
 public:
  static constexpr std::size_t kPipeBytesMax =
      256 * 1024;                                   ///< a writer whose peer does not read waits
  static constexpr std::size_t kBacklogMax = 4096;  ///< then connections are refused
  static constexpr std::uint16_t kFirstFreePort = 32768;

  SimulatedNetwork(SimulatedScheduler& scheduler, std::uint64_t seed,
                   SimulatedNetworkOptions options);

  base::Result<std::unique_ptr<base::Listener>> listen(const base::Endpoint& endpoint) override;
  base::Task<base::Result<std::unique_ptr<base::Stream>>> connect(
      base::Endpoint endpoint, base::MonotonicTime deadline) override;

  void cut_connections();
  void cut_connections_mid_stream();

  /// A choice of the seed, noted in the trace: uniform in [first, last].
  std::uint64_t choose(std::uint64_t first, std::uint64_t last);
  base::Duration latency();
  [[nodiscard]] SimulatedScheduler& clock() noexcept { return scheduler_; }
  [[nodiscard]] const base::Executor& executor() const noexcept { return executor_; }
  [[nodiscard]] const SimulatedNetworkOptions& options() const noexcept { return options_; }

  void forget_listener(std::uint16_t port) { listeners_.erase(port); }
  void forget_connection(std::uint64_t id) { connections_.erase(id); }

 private:
  std::uint16_t free_port();

  SimulatedScheduler& scheduler_;
  base::Executor executor_;  ///< deliveries run here
  SeededRandom random_;
  SimulatedNetworkOptions options_;
  std::map<std::uint16_t, SimulatedListener*> listeners_;
  std::map<std::uint64_t, SimulatedConnection*> connections_;  ///< by number: an order that replays
  std::uint64_t next_connection_ = 1;
  std::uint16_t next_port_ = kFirstFreePort;
};

}  // namespace podkeeper::runtime
