#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/epoch.h"
#include "pkg/base/task.h"

#include <chrono>

namespace podkeeper::state {

/// Waits until every epoch guard that is held now has been left. Guards are short (none lives over
/// a co_await), so it is a matter of a millisecond.
inline base::Task<void> grace(base::Clock& clock) {
  const base::Epoch::Mark mark = base::Epoch::mark();
  while (!base::Epoch::passed(mark)) {
    auto nap = clock.sleep_for(std::chrono::milliseconds(1));
    co_await std::move(nap);
  }
}

}  // namespace podkeeper::state
