#pragma once

#include "pkg/runtime/seeded_random.h"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::fuzz {

/// Chance of generators: one seed, one input.
using Dice = runtime::SeededRandom;

/// No input is longer, so that a run stays fast; above every limit on a head, a selector or a
/// chunk's trailer (64 KiB).
inline constexpr std::size_t kInputBytesMax = 160 * 1024;

/// One parser under attack. A file tests/fuzz/NAME_fuzz.cc defines one and registers it; the same
/// file is linked with libFuzzer (preset fuzz) and with the tests, which run its seeds.
struct Target {
  const char* name;
  /// Feeds the parser and judges what it says; throws Violation where that is wrong. Keeps nothing
  /// from input to input.
  void (*check)(std::string_view input);
  /// A fresh input by the grammar, its lengths often just at a limit.
  std::string (*generate)(Dice& dice);
  /// What the language is made of, for mutations.
  std::span<const std::string_view> words;
  /// Lengths at which this parser changes its mind, for mutations.
  std::span<const std::size_t> limits;
};

/// What a target's oracle found: the parser is wrong, not the input.
struct Violation {
  std::string what;
};

/// Throws Violation unless `holds`.
inline void demand(bool holds, std::string_view what) {
  if (!holds) throw Violation{std::string(what)};
}
inline void demand_equal(std::string_view a, std::string_view b, std::string_view what) {
  if (a != b) {
    throw Violation{std::string(what) + ":\n  " + std::string(a) + "\n  " + std::string(b)};
  }
}

/// Every target of this program, in the order of their registration.
std::vector<const Target*>& targets();

/// At namespace scope of a target's file.
struct Registered {
  explicit Registered(const Target& target) { targets().push_back(&target); }
};

}  // namespace podkeeper::fuzz
