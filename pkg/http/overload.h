#pragma once

#include "pkg/base/clock.h"
#include "pkg/telemetry/metrics.h"

#include <array>
#include <atomic>
#include <cstddef>

namespace podkeeper::http {

/// How scarce memory is, mildest first; each state does what those before it do, too. As Envoy's
/// overload manager has it: what costs most is refused first.
enum class OverloadState {
  kNormal,
  kShedLists,  ///< lists, and watches that begin with one, are answered 429
  kEvictSlow,  ///< clients who do not take what is written to them are cut, most behind first
  kRefuse,     ///< requests and newcomers are answered 503
};
const char* to_string(OverloadState state) noexcept;

/// What was done for want of memory: the label of podkeeper_overload_actions_total.
enum class OverloadAction { kShedList, kEvictSlow, kRefuse };

/// What one who knows memory says and listeners act upon. Thread-safe: a question costs one relaxed
/// load, as a listener that learns of a new state a request later has lost nothing. The Metrics
/// outlive it.
class Overload {
 public:
  /// A client that has not taken a write for so long is slow, once memory is scarce.
  static constexpr base::Duration kSlowAfter = std::chrono::seconds(1);

  explicit Overload(telemetry::Metrics& metrics);
  void set(OverloadState state) noexcept;
  [[nodiscard]] OverloadState state() const noexcept {
    return state_.load(std::memory_order_relaxed);
  }
  /// Whether a list is to be refused now; counts that it is.
  [[nodiscard]] bool sheds_list() noexcept { return acts(OverloadAction::kShedList); }
  /// The same for any request or newcomer.
  [[nodiscard]] bool refuses() noexcept { return acts(OverloadAction::kRefuse); }
  void count(OverloadAction action) noexcept {
    actions_[static_cast<std::size_t>(action)]->Increment();
  }

 private:
  [[nodiscard]] bool acts(OverloadAction action) noexcept;

  std::atomic<OverloadState> state_{OverloadState::kNormal};
  telemetry::Gauge& gauge_;
  std::array<telemetry::Counter*, 3> actions_;
};

}  // namespace podkeeper::http
