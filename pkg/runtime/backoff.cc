#include "pkg/runtime/backoff.h"

#include <algorithm>
#include <cstdint>

namespace podkeeper::runtime {

namespace {

base::Duration scaled(base::Duration duration, double factor) {
  return base::Duration(static_cast<std::int64_t>(static_cast<double>(duration.count()) * factor));
}

}  // namespace

Backoff::Backoff(base::Clock& clock, base::Random& random, Options options)
    : clock_(clock), random_(random), options_(options), current_(options.first) {}

base::Duration Backoff::next() {
  const base::MonotonicTime now = clock_.now();
  if (last_ != base::MonotonicTime{} && now - last_ > options_.reset_after) reset();
  last_ = now;
  const base::Duration wait = std::min(current_, options_.max);
  current_ = std::min(scaled(wait, options_.factor), options_.max);
  return scaled(wait, 1.0 + options_.jitter * random_.fraction());
}

void Backoff::reset() { current_ = options_.first; }

}  // namespace podkeeper::runtime
