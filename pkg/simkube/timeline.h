#pragma once

#include "pkg/base/clock.h"

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace podkeeper::simkube {

/// What is to happen later, in order of time and then of its being planned, so that a seed replays
/// it. A name is planned at most once at a time: planning it again before it happened is ignored,
/// which bounds the timeline by the objects there are. One task's.
class Timeline {
 public:
  using Step = std::function<void()>;

  /// False when a step of that name is planned already.
  bool plan(base::MonotonicTime when, std::string name, Step step) {
    if (!names_.insert(name).second) return false;
    steps_.emplace(std::pair(when, ++sequence_), Planned{std::move(name), std::move(step)});
    return true;
  }
  /// Runs what is due, including what it plans for now, while `more()` before each step.
  template <class F>
  void run_due(base::MonotonicTime now, F&& more) {
    while (!steps_.empty() && steps_.begin()->first.first <= now && more()) {
      auto node = steps_.extract(steps_.begin());
      names_.erase(node.mapped().name);
      node.mapped().step();
    }
  }
  [[nodiscard]] base::MonotonicTime next() const {
    return steps_.empty() ? base::MonotonicTime::max() : steps_.begin()->first.first;
  }
  [[nodiscard]] std::size_t size() const noexcept { return steps_.size(); }

 private:
  struct Planned {
    std::string name;
    Step step;
  };
  std::map<std::pair<base::MonotonicTime, std::uint64_t>, Planned> steps_;
  std::set<std::string> names_;
  std::uint64_t sequence_ = 0;
};

}  // namespace podkeeper::simkube
