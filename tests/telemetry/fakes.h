#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/random.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

namespace podkeeper::telemetry {

/// A clock that a test moves. Thread-safe.
class ManualClock final : public base::Clock {
 public:
  [[nodiscard]] base::MonotonicTime now() const override {
    return base::MonotonicTime(base::Duration(elapsed_.load()));
  }
  [[nodiscard]] base::WallTime wall_now() const override {
    return base::WallTime(std::chrono::milliseconds(1'700'000'000'123)) +
           base::Duration(elapsed_.load());
  }
  TimerId call_at(base::MonotonicTime, base::Executor, Callback) override { return 0; }
  bool cancel(TimerId) override { return false; }
  void advance(base::Duration by) { elapsed_ += by.count(); }

 private:
  std::atomic<base::Duration::rep> elapsed_{0};
};

/// Gives the listed numbers, then counts on from the last one.
class ListedRandom final : public base::Random {
 public:
  explicit ListedRandom(std::vector<std::uint64_t> numbers) : numbers_(std::move(numbers)) {}
  std::uint64_t next() override {
    if (at_ < numbers_.size()) return numbers_[at_++];
    return numbers_.back() + ++beyond_;
  }

 private:
  std::vector<std::uint64_t> numbers_;
  std::size_t at_ = 0;
  std::uint64_t beyond_ = 0;
};

}  // namespace podkeeper::telemetry
