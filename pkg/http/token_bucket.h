#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"

#include <cstdint>

namespace podkeeper::http {

/// Lets `burst` requests through at once and `per_second` from then on; who comes later waits in
/// the order of coming. The generic cell rate algorithm: one point in time instead of tokens and a
/// timer. Thread-safe; the clock outlives it.
class TokenBucket {
 public:
  /// `per_second` 0: no limit.
  TokenBucket(base::Clock& clock, double per_second, std::uint32_t burst);
  /// Waits for a token, and gives how long. kTimeout at once, and no token is taken, where it would
  /// come after the deadline only.
  base::Task<base::Result<base::Duration>> take(base::MonotonicTime deadline);

 private:
  base::Result<base::MonotonicTime> reserve(base::MonotonicTime now, base::MonotonicTime deadline);

  base::Clock& clock_;
  const base::Duration interval_;  ///< between two tokens
  const base::Duration burst_;     ///< how far ahead of time a token may be taken
  base::Mutex mutex_;
  base::MonotonicTime full_at_ PK_GUARDED_BY(mutex_){};  ///< when the whole burst is there again
};

}  // namespace podkeeper::http
