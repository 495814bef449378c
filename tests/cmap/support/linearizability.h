#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace podkeeper::cmap::testing {

/// One call on a map, as its caller saw it. Values name records: no two puts of a history have the
/// same, 0 is "absent".
struct Operation {
  enum class Kind { kFind, kPut, kErase, kCompareAndPut, kCompareAndErase };
  Kind kind = Kind::kFind;
  std::uint32_t key = 0;
  std::uint32_t thread = 0;
  std::uint64_t value = 0;     ///< kFind: what it gave; put forms: what was put
  std::uint64_t expected = 0;  ///< compare forms
  bool answer = false;         ///< what the call returned; not of kFind
  std::uint64_t invoked = 0;   ///< stamps of one clock that all threads share, all different
  std::uint64_t returned = 0;
};
std::string to_string(const Operation& operation);

struct Verdict {
  enum class Kind { kLinearizable, kViolated, kUndecided };
  Kind kind = Kind::kLinearizable;
  std::string why;                 ///< of a violation: the key and the calls that no order explains
  std::size_t configurations = 0;  ///< how many the search visited
};

/// Looks for an order of each key's calls that respects real time and that a map with one thread
/// could have answered (Wing and Gong 1993, with the memory of visited configurations of Lowe 2017;
/// keys apart, since linearizability is local). A call that changes nothing is taken as soon as its
/// answer fits, which loses no order: so the search branches over writes only. Undecided after
/// kConfigurationsMax on one key. Threads are numbered below kThreadsMax, and each made its calls
/// one after the other.
Verdict check_linearizable(std::vector<Operation> history);

inline constexpr std::size_t kThreadsMax = 8;
inline constexpr std::size_t kConfigurationsMax = 4'000'000;

}  // namespace podkeeper::cmap::testing
