#pragma once

#include "pkg/base/world.h"
#include "pkg/simkube/fault_script.h"
#include "pkg/telemetry/metrics.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace podkeeper::simkube {

struct FaultyLines;

/// A world whose accepted connections suffer what a fault script says, request by request. All can
/// also be cut at once, as by a load balancer's restart, fall silent without an end, as by a broken
/// cable, or lose what a watch says, as by a bug upstream. Everything else is the world it wraps,
/// which outlives it.
///
/// The script is applied to the bytes: a request is held until its head is whole, and what the
/// server writes is changed on its way. Requests with a chunked body end it for their connection.
class FaultyWorld final : public base::World {
 public:
  /// `restore` is what the script's fault of that name does; it is called on a connection's
  /// executor, and must not wait. The metrics outlive the world.
  FaultyWorld(base::World& inner, telemetry::Metrics& metrics, std::vector<FaultRule> script,
              std::function<void()> restore);
  ~FaultyWorld() override;

  base::Clock& clock() override { return inner_.clock(); }
  base::Network& network() override;
  base::Random& random() override { return inner_.random(); }
  base::Files& files() override { return inner_.files(); }
  base::Executor make_executor() override { return inner_.make_executor(); }

  /// Closes every connection accepted so far, each on its own executor, in the middle of whatever
  /// it sends. Any thread; returns how many there were.
  std::size_t cut_connections();
  /// From now on nothing that is written to a connection accepted so far arrives, and nobody is
  /// told: half-open. Any thread; returns how many there were.
  std::size_t freeze_connections();
  /// The next write of a watch's changes, on whichever connection, does not arrive, though the
  /// stream goes on. Any thread.
  void lose_next_event();
  /// Whether it has happened since.
  [[nodiscard]] bool lost_event() const;

 private:
  class FaultyNetwork;
  class FaultyListener;
  base::World& inner_;
  const std::shared_ptr<FaultyLines> lines_;
  std::unique_ptr<FaultyNetwork> network_;
};

}  // namespace podkeeper::simkube
