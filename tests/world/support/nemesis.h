#pragma once

#include "pkg/base/world.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/world/support/instance.h"
#include "tests/world/support/model.h"
#include "tests/world/support/model_server.h"

namespace podkeeper::world {

/// What a nemesis confines itself to.
enum class Means : std::uint8_t {
  kAll,
  kStops,  ///< instances are stopped for longer than a lease lasts
  kClogs,  ///< connections are clogged
};

struct NemesisOptions {
  base::Duration pause = std::chrono::seconds(2);  ///< between two faults, about
  std::uint64_t stretch = 1;                       ///< absences last so many times longer
  bool restores = false;                           ///< upstream may be restored from a backup
  Means means = Means::kAll;
};

/// What goes wrong, by seed: lines are cut, clogged and lose answers, upstream lags, refuses,
/// compacts, restarts and is restored, instances are stopped, killed and told to end, clocks run at
/// another rate. One thread; what it is given outlives it.
class Nemesis {
 public:
  /// Clocks run at 0.9 to 1.1 of the world's: with that a term still ends before another begins.
  static constexpr double kRateMin = 0.9, kRateMax = 1.1;

  Nemesis(base::World& world, Model& model, ModelServer& server, NemesisOptions options);
  void add(Instance& instance) { instances_.push_back(&instance); }
  /// One fault after another until `end`; then takes everything back, and returns.
  base::Task<void> run(base::MonotonicTime end);
  [[nodiscard]] std::uint64_t faults() const noexcept { return faults_; }

 private:
  base::Task<void> disturb(Instance& instance, View& view);
  base::Task<void> swizzle(Instance& instance);
  base::Task<void> restart(Instance& instance, bool kill);
  void vex_upstream(View& view);
  void set_lag(View& view, base::Duration lag);
  base::Task<void> take_back();
  [[nodiscard]] std::uint64_t chance(std::uint64_t bound) { return world_.random().below(bound); }
  [[nodiscard]] base::Task<void> wait(base::Duration most);

  base::World& world_;
  Model& model_;
  ModelServer& server_;
  const NemesisOptions options_;
  std::vector<Instance*> instances_;
  std::uint64_t faults_ = 0;
};

}  // namespace podkeeper::world
