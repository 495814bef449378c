// What libFuzzer calls, for the one target that is linked with it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/fuzz/support/grammar.h"
#include "tests/fuzz/support/target.h"

// Its interface, by its documentation; Debian ships no header of it.
extern "C" {
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed);
std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t size_max);
}

namespace {

std::string_view view(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// One input in this many is a fresh one by the grammar, one in kStretched is changed by what the
/// lengths and words of the target are; the others are libFuzzer's own.
constexpr std::uint64_t kFresh = 16, kStretched = 4;

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto& target = *podkeeper::fuzz::targets().front();
  try {
    target.check(view(data, size));
  } catch (const podkeeper::fuzz::Violation& violation) {
    std::fprintf(stderr, "%s: violation: %s\n", target.name, violation.what.c_str());
    std::abort();
  }
  return 0;
}

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed) {
  const auto& target = *podkeeper::fuzz::targets().front();
  podkeeper::fuzz::Dice dice(seed);
  std::string made;
  if (podkeeper::fuzz::one_in(dice, kFresh)) {
    made = target.generate(dice);
  } else if (podkeeper::fuzz::one_in(dice, kStretched)) {
    made = podkeeper::fuzz::mutate(dice, std::string(view(data, size)), size_max, target);
  } else {
    return LLVMFuzzerMutate(data, size, size_max);
  }
  const std::size_t kept = std::min(made.size(), size_max);
  std::copy_n(made.data(), kept, reinterpret_cast<char*>(data));
  return kept;
}
