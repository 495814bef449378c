#pragma once

#include "pkg/base/clock.h"

#include <cstdint>
#include <string>
#include <vector>

namespace podkeeper::leader::testing {

struct TakeoverOptions {
  std::uint64_t seed = 1;
  std::size_t takeovers = 200;
};

/// What a run showed. Times are those of the clock of who took the lease.
struct TakeoverReport {
  std::size_t takeovers = 0, releases = 0;
  std::size_t kills = 0, stops = 0, cuts = 0, terminations = 0;  ///< what befell leaders
  std::size_t survived = 0;  ///< faults that ended before the lease did
  base::Duration slowest{}, slowest_after_release{};
  std::uint64_t writes = 0, late_writes_refused = 0;
  base::Duration virtual_time{};
  std::vector<std::string> violations;  ///< of "one leader at a time"; empty is what is wanted
};

/// Three replicas with clocks of different rates, in a simulated world: leader after leader is
/// killed, stopped, cut off or told to end, at any moment, while candidates are disturbed, legs
/// grow long and wall clocks jump, until so many others have taken over. Every write is judged at
/// the server, and ten times a second it is looked at who believes to lead.
TakeoverReport run_takeovers(const TakeoverOptions& options);

}  // namespace podkeeper::leader::testing
