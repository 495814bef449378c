#pragma once

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <vector>

namespace podkeeper::recovery {

/// What a process that dies of a fatal signal tells of itself: addresses and registers, no bytes of
/// its memory but names. Plain bytes, so that it goes through a pipe as it is, and fewer than
/// PIPE_BUF, so that it goes whole.
struct CrashReport {
  static constexpr std::size_t kFramesMax = 64;  ///< deeper ones are cut at the outer end
  static constexpr std::size_t kRegisters = 17;

  std::int32_t signal = 0;
  std::int32_t code = 0;      ///< si_code; not positive: somebody sent the signal
  std::uint64_t address = 0;  ///< si_addr: what could not be read, written or executed
  std::int64_t when_ms = 0;   ///< since the epoch
  std::int32_t thread = 0;    ///< the kernel's id
  std::uint32_t depth = 0;    ///< of `frames`; 0: the handler crashed too before it had them
  std::uint64_t task_id = 0;  ///< 0: outside any task
  std::array<char, 16> thread_name{};  ///< texts end with NUL
  std::array<char, 64> task_name{};    ///< its first bytes
  std::array<char, 256> reason{};      ///< what std::terminate was called for, where it was
  std::array<std::uint64_t, kRegisters> registers{};  ///< as register_names() has them
  std::array<void*, kFramesMax> frames{};  ///< innermost first, as symbolize() reads them

  [[nodiscard]] std::vector<void*> stack() const {
    return {frames.begin(), frames.begin() + depth};
  }
};
static_assert(std::is_trivially_copyable_v<CrashReport>);
static_assert(sizeof(CrashReport) < 4096);

/// Those that are told of. Each ends a process unless it is handled.
inline constexpr int kFatalSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP};

/// Of this processor; null where they are not known.
const std::array<const char*, CrashReport::kRegisters>& register_names() noexcept;
/// "SIGSEGV"; "other" for what is neither of these nor SIGKILL.
const char* signal_name(int signal) noexcept;

struct CrashHandling {
  bool json = false;       ///< the line on stderr is JSON, as the log is; else logfmt
  std::string_view build;  ///< version and commit, for that line
  int report_to = -1;      ///< a pipe that gets each CrashReport as bytes; negative: none
};

/// From here on kFatalSignals, and std::terminate, which ends in SIGABRT, are told of before they
/// end the process as they do by default, with a core dump where those are on. The line on stderr
/// gives addresses within this executable as offsets (`exe+0x1f3a`) and its build id, so
/// that it can be read by who has the binary.
///
/// One report: a second thread that crashes meanwhile waits for the end, and where the handler
/// itself crashes, what it has is told and the process ends. The handler is async-signal-safe and
/// takes about 0.1 ms. Not thread-safe: once, at the start.
void tell_of_crashes(const CrashHandling& handling);

/// While it lives, a crash of its thread is told of even where the thread's own stack has
/// overflowed: the handler runs on memory of its own (64 KiB of addresses, a few KiB once used).
class CrashStack {
 public:
  CrashStack();
  ~CrashStack();
  CrashStack(const CrashStack&) = delete;
  CrashStack& operator=(const CrashStack&) = delete;

 private:
  void* memory_;
  stack_t before_{};
};

}  // namespace podkeeper::recovery
