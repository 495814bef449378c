#include "pkg/http/overload.h"

#include "pkg/telemetry/metric_names.h"

namespace podkeeper::http {
namespace {

/// The mildest state in which an action is taken.
constexpr OverloadState from_state(OverloadAction action) noexcept {
  switch (action) {
    case OverloadAction::kShedList:
      return OverloadState::kShedLists;
    case OverloadAction::kEvictSlow:
      return OverloadState::kEvictSlow;
    case OverloadAction::kRefuse:
      return OverloadState::kRefuse;
  }
  return OverloadState::kRefuse;
}

}  // namespace

const char* to_string(OverloadState state) noexcept {
  switch (state) {
    case OverloadState::kNormal:
      return "normal";
    case OverloadState::kShedLists:
      return "shed_lists";
    case OverloadState::kEvictSlow:
      return "evict_slow";
    case OverloadState::kRefuse:
      return "refuse";
  }
  return "normal";
}

Overload::Overload(telemetry::Metrics& metrics)
    : gauge_(metrics.gauge(telemetry::kOverloadState)),
      actions_{&metrics.counter(telemetry::kOverloadActions, {"shed_list"}),
               &metrics.counter(telemetry::kOverloadActions, {"evict_slow"}),
               &metrics.counter(telemetry::kOverloadActions, {"refuse"})} {}

void Overload::set(OverloadState state) noexcept {
  state_.store(state, std::memory_order_relaxed);
  gauge_.Set(static_cast<double>(state));
}

bool Overload::acts(OverloadAction action) noexcept {
  if (state() < from_state(action)) return false;
  count(action);
  return true;
}

}  // namespace podkeeper::http
