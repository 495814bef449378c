#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/files.h"
#include "pkg/base/net.h"
#include "pkg/base/random.h"

namespace podkeeper::base {

/// Everything outside the program: real in production, seeded and single-threaded in
/// simulation. Outlives every task.
class World {
 public:
  virtual ~World() = default;
  virtual Clock& clock() = 0;
  virtual Network& network() = 0;
  virtual Random& random() = 0;
  virtual Files& files() = 0;
  /// A new serial executor: what is spawned on it never runs in parallel with itself.
  virtual Executor make_executor() = 0;
};

}  // namespace podkeeper::base
