#pragma once

#include "pkg/base/net.h"
#include "pkg/base/result.h"
#include "pkg/base/world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/simkube/cluster.h"
#include "pkg/simkube/fault_script.h"
#include "pkg/telemetry/metrics.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace podkeeper::simkube {

struct SimKubeOptions {
  base::Endpoint listen{"127.0.0.1", 0};
  std::uint64_t seed = 1;
  std::size_t nodes = 5;
  std::size_t pods = 50;
  double churn = 5;               ///< changes per second by itself, about; 0: none
  base::Duration churn_for{};     ///< its actors act, and cuts are made, this long; 0: for ever
  std::vector<std::string> load;  ///< recorded lists, in the place of made-up nodes or pods
  std::vector<std::string> crds;  ///< files with CustomResourceDefinitions, beside podkeeper's own
  bool validate_crds = true;      ///< false: custom resources are taken as they come
  base::Duration cut_every{};     ///< cut every connection this often; 0: never
  std::size_t history_events =
      1 << 17;  ///< changes kept per resource, a power of two: beyond, watches get 410
  std::size_t history_bytes = 64 << 20;
  std::size_t connections_max = 10'000;  ///< of its clients; as http::ServerLimits has them
  std::vector<FaultRule> faults;         ///< what befalls its clients' requests (fault_script.h)
};

/// A small Kubernetes API server with a living cluster behind it, embedded: reads by kubeapi over
/// its own stores, writes, actors and faults beside them. Plain HTTP, no authentication: for
/// loopback, for tests and for a first look. Its tasks belong to the group it was given.
class SimKube {
 public:
  SimKube(base::World& world, runtime::TaskGroup& group, telemetry::Metrics& metrics,
          SimKubeOptions options);
  ~SimKube();

  /// Loads or makes up the cluster, binds, and starts the actors. The address that was bound; kIo,
  /// kNotFound or kDecode name the file or address and the reason. Once. Blocks while it loads.
  base::Result<base::Endpoint> start();
  /// Ends watches and connections cleanly, by `deadline`.
  base::Task<void> drain(base::MonotonicTime deadline);

  [[nodiscard]] Cluster& cluster() noexcept;
  /// Changes per second that the cluster makes by itself from now on. Any thread.
  void set_churn(double churn);
  /// Cuts every connection, in the middle of whatever it sends; returns how many there were. Any
  /// thread.
  std::size_t cut_connections();
  /// Faults that no client is told of, for tests of who has to find out by himself (see
  /// FaultyWorld).
  std::size_t freeze_connections();
  void lose_next_event();
  [[nodiscard]] bool lost_event() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace podkeeper::simkube
