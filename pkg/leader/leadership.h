#pragma once

#include "pkg/base/clock.h"
#include "pkg/runtime/wakeup.h"

#include <cstdint>
#include <functional>
#include <optional>

namespace podkeeper::leader {

/// A stretch of time in which this process, and no other, may act for all replicas.
struct Term {
  /// The lease's transitions: it grows whenever the holder changes, so it tells terms apart.
  std::uint64_t number = 0;
  /// What acts must have ended by then: from some time after it on, another may hold the lease.
  base::MonotonicTime until{};
};

/// Who acts for all replicas where one must: conditions, Events, clean-up. Reads are served by
/// every replica and never ask. Any thread.
///
/// To act: ask for the term as late as possible, right before each write, and have the write end by
/// its `until` (kube::ObjectClientOptions::write_until does both). Where the write is to an object,
/// its resourceVersion goes along, so that one which was on its way for too long finds the object
/// changed by the next leader.
class Leadership {
 public:
  virtual ~Leadership() = default;

  /// The term that runs now; nothing where this process does not lead. It may end at any time, and
  /// be prolonged at any time. O(1).
  [[nodiscard]] virtual std::optional<Term> term() const = 0;
  [[nodiscard]] bool leads() const { return term().has_value(); }

  /// `wakeup` is notified whenever this process began or ceased to lead, until the subscription is
  /// dropped. Several changes may be one notice.
  [[nodiscard]] virtual runtime::WakeupList::Subscription subscribe(runtime::Wakeup& wakeup) = 0;
};

/// Without an election: the only replica leads for ever.
class AlwaysLeader final : public Leadership {
 public:
  [[nodiscard]] std::optional<Term> term() const override {
    return Term{.until = base::MonotonicTime::max()};
  }
  [[nodiscard]] runtime::WakeupList::Subscription subscribe(runtime::Wakeup& /*wakeup*/) override {
    return {};
  }
};

/// The end of the term that runs now, for a client whose writes are the leader's alone. The
/// leadership outlives the function.
inline std::function<std::optional<base::MonotonicTime>()> until_of(const Leadership& leadership) {
  return [&leadership]() -> std::optional<base::MonotonicTime> {
    const auto term = leadership.term();
    if (!term) return std::nullopt;
    return term->until;
  };
}

}  // namespace podkeeper::leader
