#pragma once

#include "pkg/base/world.h"

#include <cstddef>
#include <memory>

namespace podkeeper::simkube {

/// A world whose accepted connections can all be cut at once, as by a load balancer's restart, fall
/// silent without an end, as by a broken cable, or lose what a watch says, as by a bug upstream.
/// Everything else is the world it wraps, which outlives it.
class CutWorld final : public base::World {
 public:
  explicit CutWorld(base::World& inner);
  ~CutWorld() override;

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
  struct Lines;
  class CutNetwork;
  base::World& inner_;
  std::shared_ptr<Lines> lines_;
  std::unique_ptr<CutNetwork> network_;
};

}  // namespace podkeeper::simkube
