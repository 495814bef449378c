#pragma once

#include "pkg/base/files.h"

#include <cstdint>
#include <limits>
#include <optional>

namespace podkeeper::daemon {

/// Memory in use and where it ends, in bytes.
struct MemoryUse {
  static constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t used = 0;
  std::uint64_t limit = kUnlimited;
  /// How much of the limit is in use: 0 without one, above 1 beyond it.
  [[nodiscard]] double part() const noexcept {
    return limit == kUnlimited ? 0 : static_cast<double>(used) / static_cast<double>(limit);
  }
};

/// Against the limit that is nearest: `flag_limit` (0: none) against what is resident; the cgroup's
/// own (version 2 or 1, as the path in /proc/self/cgroup or the root of the mount has it) against
/// what it has charged but for page cache that the system can drop, as kubelet counts its working
/// set; RLIMIT_AS against the address space. None where nothing of that could be read. Reads a
/// handful of small files.
std::optional<MemoryUse> memory_use(base::Files& files, std::uint64_t flag_limit);

}  // namespace podkeeper::daemon
