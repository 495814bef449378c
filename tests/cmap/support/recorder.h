#pragma once

#include "pkg/cmap/map.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/cmap/support/linearizability.h"

namespace podkeeper::cmap::testing {

/// How much is recorded, and what.
struct RecordOptions {
  std::uint32_t threads = 4;
  std::size_t operations = 50'000;  ///< of each thread
  std::uint32_t keys = 64;          ///< few, so that threads meet
  std::uint32_t fillers =
      4'000;  ///< keys that come and go in waves, not recorded, so that tables change size
  std::uint64_t seed = 1;
  /// Threads go on beyond `operations`, up to a hundred times as many, until this is true: that
  /// what the recording is about did happen. Called by every thread.
  std::function<bool()> enough = [] { return true; };
};

struct Recorded {
  std::vector<Operation> history;
  std::string
      broken;  ///< a rule of for_each that one walk alone disproved (a key twice); empty: none
};

/// Runs threads over `map`, whose records must be Text, and writes down what each call answered. A
/// walk is written down as a find of every key: for_each shows each key as of some moment within
/// the walk.
Recorded record(detail::AnyMap& map, const RecordOptions& options);

}  // namespace podkeeper::cmap::testing
