#pragma once

#include "pkg/base/world.h"
#include "pkg/kube/revision_probe.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <utility>

namespace podkeeper::state::testing {

/// An upstream that answers as a test says, half of the latency before it looks and half after.
class ScriptedProbe final : public kube::RevisionProbe {
 public:
  explicit ScriptedProbe(base::World& world) : world_(world) {}

  base::Task<base::Result<kube::Revision>> newest(base::MonotonicTime deadline) override {
    ++asked;
    auto there = travel(deadline);
    const bool arrived = co_await std::move(there);
    if (!arrived) co_return late();
    auto answer = newest_now();
    auto back = travel(deadline);
    const bool returned = co_await std::move(back);
    if (!returned) co_return late();
    co_return answer;
  }
  base::Task<base::Result<std::optional<kube::Revision>>> quiet_since(
      kube::Revision held, base::MonotonicTime /*deadline*/) override {
    ++watched;
    auto pause = world_.clock().sleep_for(quiet_after);
    co_await std::move(pause);
    co_return quiet_now(held);
  }

  std::function<base::Duration()> latency = [] { return std::chrono::milliseconds(4); };
  std::function<base::Result<kube::Revision>()> newest_now = [] { return kube::Revision{1}; };
  base::Duration quiet_after = std::chrono::seconds(1);
  std::function<base::Result<std::optional<kube::Revision>>(kube::Revision)> quiet_now =
      [](kube::Revision) { return std::nullopt; };
  std::size_t asked = 0;
  std::size_t watched = 0;

 private:
  static base::Error late() { return {base::ErrorCode::kTimeout, "upstream is silent"}; }
  base::Task<bool> travel(base::MonotonicTime deadline) {
    const auto then = world_.clock().now() + latency() / 2;
    auto pause = world_.clock().sleep_until(std::min(then, deadline));
    co_await std::move(pause);
    co_return then <= deadline;
  }

  base::World& world_;
};

}  // namespace podkeeper::state::testing
