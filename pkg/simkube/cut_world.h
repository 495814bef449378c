#pragma once

#include "pkg/base/world.h"

#include <memory>

namespace podkeeper::simkube {

/// A world whose accepted connections can all be cut at once: what a load balancer's restart, or a
/// broken cable, does to a client. Everything else is the world it wraps, which outlives it.
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

 private:
  struct Lines;
  class CutNetwork;
  base::World& inner_;
  std::shared_ptr<Lines> lines_;
  std::unique_ptr<CutNetwork> network_;
};

}  // namespace podkeeper::simkube
