#pragma once

#include <cstdint>

namespace podkeeper::recovery {

/// Ways to crash on purpose, each as a bug would.
enum class CrashKind : std::uint8_t {
  kSegv,       ///< writes where nothing is mapped
  kOverflow,   ///< recurses until the stack ends
  kTerminate,  ///< throws from a destructor while another exception unwinds
};
inline constexpr CrashKind kCrashKinds[] = {CrashKind::kSegv, CrashKind::kOverflow,
                                            CrashKind::kTerminate};
const char* to_string(CrashKind kind) noexcept;  ///< "segv", "overflow", "terminate"

/// Ends the process by that fault; see tell_of_crashes().
[[noreturn]] void crash(CrashKind kind);

}  // namespace podkeeper::recovery
