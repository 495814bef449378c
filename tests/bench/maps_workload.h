#pragma once

#include "pkg/cmap/record.h"
#include "pkg/runtime/seeded_random.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The keys and the streams of operations that all maps are measured with.
namespace podkeeper::bench {

/// Keys as Kubernetes has them, "namespace/name" of 20 to 57 bytes, their bytes one after the
/// other.
class Keys {
 public:
  explicit Keys(std::size_t count) {
    runtime::SeededRandom random(7);
    std::vector<std::size_t> ends;
    for (std::size_t i = 0; i < count; ++i) {
      bytes_ += "team-" + std::to_string(random.below(200)) + "-prod/";
      bytes_.append(random.below(24) + 1, static_cast<char>('a' + i % 26));
      bytes_ += '-' + std::to_string(1'000'000 + i * 7919 % 9'000'000) + std::to_string(i);
      ends.push_back(bytes_.size());
    }
    std::size_t from = 0;
    for (const std::size_t end : ends) {
      texts_.push_back(std::string_view(bytes_).substr(from, end - from));
      from = end;
    }
  }
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;

  [[nodiscard]] std::size_t size() const { return texts_.size(); }
  [[nodiscard]] std::string_view operator[](std::size_t i) const { return texts_[i]; }

 private:
  std::string bytes_;
  std::vector<std::string_view> texts_;
};

enum class Act : std::uint32_t { kFind, kPut, kErase };

/// One operation: what, and on which key.
struct Step {
  std::uint32_t act : 2;
  std::uint32_t key : 30;
};

/// How keys are drawn: uniform, or by Zipf's law with exponent .99, the ranks shuffled over the
/// keys.
class Draw {
 public:
  Draw(bool zipf, std::size_t keys) : zipf_(zipf), keys_(keys) {
    if (!zipf) return;
    cumulated_.resize(keys);
    double sum = 0;
    for (std::size_t rank = 0; rank < keys; ++rank) {
      sum += std::pow(static_cast<double>(rank + 1), -0.99);
      cumulated_[rank] = sum;
    }
    key_of_rank_.resize(keys);
    std::iota(key_of_rank_.begin(), key_of_rank_.end(), 0u);
    runtime::SeededRandom random(11);
    for (std::size_t i = keys - 1; i > 0; --i) {
      std::swap(key_of_rank_[i], key_of_rank_[random.below(i + 1)]);
    }
  }

  std::uint32_t operator()(runtime::SeededRandom& random) const {
    if (!zipf_) return static_cast<std::uint32_t>(random.below(keys_));
    const double at = static_cast<double>(random.next() >> 11) * 0x1.0p-53 * cumulated_.back();
    const auto rank = std::ranges::upper_bound(cumulated_, at) - cumulated_.begin();
    return key_of_rank_[std::min(static_cast<std::size_t>(rank), keys_ - 1)];
  }

 private:
  bool zipf_;
  std::size_t keys_;
  std::vector<double> cumulated_;
  std::vector<std::uint32_t> key_of_rank_;
};

/// A thread's operations: so many per cent finds, of the rest 97 % puts and 3 % erases.
inline std::vector<Step> make_steps(const Draw& draw, std::uint64_t read_percent, std::size_t count,
                                    std::uint64_t seed) {
  runtime::SeededRandom random(seed);
  std::vector<Step> steps(count);
  for (Step& step : steps) {
    const bool read = random.below(100) < read_percent;
    const Act act = read ? Act::kFind : random.below(100) < 97 ? Act::kPut : Act::kErase;
    step.act = static_cast<std::uint32_t>(act) & 3;
    step.key = draw(random) & 0x3fff'ffff;
  }
  return steps;
}

}  // namespace podkeeper::bench
