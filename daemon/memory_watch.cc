#include "daemon/memory_watch.h"

#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metric_names.h"

#include <array>
#include <cstddef>
#include <utility>

namespace podkeeper::daemon {
namespace {

using http::OverloadState;

constexpr std::array kEnterAt = {0.80, 0.90, 0.95};  ///< kShedLists, kEvictSlow, kRefuse
constexpr double kLeaveBelow = 0.05;

}  // namespace

OverloadState next_state(OverloadState now, double part) noexcept {
  auto state = OverloadState::kNormal;
  for (std::size_t i = 0; i < kEnterAt.size(); ++i) {
    const auto candidate = static_cast<OverloadState>(i + 1);
    const double from = candidate <= now ? kEnterAt[i] - kLeaveBelow : kEnterAt[i];
    if (part >= from) state = candidate;
  }
  return state;
}

MemoryWatch::MemoryWatch(base::World& world, telemetry::Metrics& metrics, http::Overload& overload,
                         std::uint64_t flag_limit, Actions actions)
    : world_(world),
      metrics_(metrics),
      overload_(overload),
      flag_limit_(flag_limit),
      actions_(std::move(actions)) {}

bool MemoryWatch::limited() const {
  const auto now = memory_use(world_.files(), flag_limit_);
  return now && now->limit != MemoryUse::kUnlimited;
}

base::Task<void> MemoryWatch::run() {
  while (true) {
    look();
    auto sleeping = world_.clock().sleep_for(kInterval);
    co_await std::move(sleeping);
  }
}

std::optional<MemoryUse> MemoryWatch::use() {
  auto now = memory_use(world_.files(), flag_limit_);
  if (!now || next_state(overload_.state(), now->part()) == OverloadState::kNormal) return now;
  if (world_.clock().now() < give_back_from_) return now;
  give_back_from_ = world_.clock().now() + kGiveBackEvery;
  actions_.give_back();
  return memory_use(world_.files(), flag_limit_);
}

void MemoryWatch::look() {
  const auto now = use();
  if (!now) return;  // the files could not be read: what was known last still holds
  metrics_.gauge(telemetry::kMemoryUsed).Set(static_cast<double>(now->used));
  metrics_.gauge(telemetry::kMemoryLimit).Set(static_cast<double>(now->limit));
  const auto before = overload_.state();
  const auto state = next_state(before, now->part());
  if (state != before) {
    overload_.set(state);
    tell(before, state, *now);
  }
  if (state >= OverloadState::kEvictSlow) actions_.evict_slow();
}

void MemoryWatch::tell(OverloadState before, OverloadState state, const MemoryUse& use) const {
  const auto say = state > before ? telemetry::log_warn : telemetry::log_info;
  say("overload state", {{"state", to_string(state)},
                         {"before", to_string(before)},
                         {"usedBytes", use.used},
                         {"limitBytes", use.limit}});
}

base::Result<void> MemoryWatch::check() const {
  if (overload_.state() < OverloadState::kRefuse) return {};
  return base::Error{base::ErrorCode::kUnavailable,
                     "95 % of the memory limit was in use, and still more than 90 % is: all "
                     "requests are refused; raise the limit"};
}

}  // namespace podkeeper::daemon
