#pragma once

#include "pkg/cmap/observed.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace podkeeper::cmap {

/// What maps remember of one task, for the report of its panic, a line each: the operation that the
/// panic left, if it left one; then for each map that the task touched its last operations, newest
/// first, the probe chain of the newest one's key, and what other tasks did to that key. Where the
/// task touched none, the newest operations of each map, whosoever they were. At most
/// kAuditLinesMax lines; O(maps), with at most kAuditScanMax entries read a map. Nothing about maps
/// whose audit is off, but for the first.
std::vector<std::string> audit_lines(std::span<const NamedMap> maps, std::uint64_t task_id,
                                     const std::optional<PanickedOperation>& left);

inline constexpr std::size_t kAuditLinesMax = 32;
inline constexpr std::size_t kAuditScanMax = 4096;

/// "put added default/a, shard 3 bucket 17, task reflector pods#12, at 3600.000000000 s, operation
/// 4711"; without the time where it is not known. scripts/race_windows.py reads it.
std::string to_text(const AuditEntry& entry);

}  // namespace podkeeper::cmap
