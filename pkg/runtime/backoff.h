#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/random.h"

namespace podkeeper::runtime {

/// Exponential backoff with jitter, as client-go's reflector does it: 0.8 s, doubling to 30 s, each
/// stretched by a random factor in [1, 2); it starts over when nothing failed for `reset_after`.
class Backoff {
 public:
  struct Options {
    base::Duration first = std::chrono::milliseconds(800);
    base::Duration max = std::chrono::seconds(30);
    double factor = 2.0;
    double jitter = 1.0;  ///< next() is in [d, d * (1 + jitter))
    base::Duration reset_after = std::chrono::minutes(2);
  };
  Backoff(base::Clock& clock, base::Random& random) : Backoff(clock, random, Options{}) {}
  Backoff(base::Clock& clock, base::Random& random, Options options);
  /// How long to wait now; each call counts as one failure.
  base::Duration next();
  void reset();

 private:
  base::Clock& clock_;
  base::Random& random_;
  Options options_;
  base::Duration current_;
  base::MonotonicTime last_{};
};

}  // namespace podkeeper::runtime
