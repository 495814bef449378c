#pragma once

#include <bit>
#include <cstdint>

namespace podkeeper::runtime {

/// splitmix64 (Steele, Lea, Flood, OOPSLA 2014): one 64-bit word of state, every seed is good. Not
/// for secrets.
class SeededRandom {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  /// Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }

 private:
  std::uint64_t state_;
};

/// A running digest of numbers, in order.
class Digest {
 public:
  void mix(std::uint64_t value) {
    state_ = std::rotl(state_ ^ (value * 0x9e3779b97f4a7c15), 27) * 0x2545f4914f6cdd1d + 1;
  }
  [[nodiscard]] std::uint64_t value() const { return state_; }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325;
};

}  // namespace podkeeper::runtime
