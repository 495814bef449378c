#include "pkg/http/token_bucket.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace podkeeper::http {
namespace {

base::Duration interval_of(double per_second) {
  if (per_second <= 0) return {};
  return std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(1 / per_second));
}

}  // namespace

TokenBucket::TokenBucket(base::Clock& clock, double per_second, std::uint32_t burst)
    : clock_(clock),
      interval_(interval_of(per_second)),
      burst_(interval_ * (std::max<std::uint32_t>(burst, 1) - 1)) {}

base::Result<base::MonotonicTime> TokenBucket::reserve(base::MonotonicTime now,
                                                       base::MonotonicTime deadline) {
  base::Lock lock(mutex_);
  const auto from = std::max(now, full_at_);
  const auto when = std::max(now, from - burst_);
  if (when >= deadline) {
    return base::Error{
        base::ErrorCode::kTimeout,
        "the limit on requests of its own (--kube-api-qps, --kube-api-burst) lets it "
        "go only after its deadline"};
  }
  full_at_ = from + interval_;
  return when;
}

base::Task<base::Result<base::Duration>> TokenBucket::take(base::MonotonicTime deadline) {
  if (interval_ == base::Duration{}) co_return base::Duration{};
  const auto now = clock_.now();
  const auto when = reserve(now, deadline);
  if (!when) co_return when.error();
  if (*when > now) {
    auto sleep = clock_.sleep_until(*when);
    co_await std::move(sleep);
  }
  co_return *when - now;
}

}  // namespace podkeeper::http
