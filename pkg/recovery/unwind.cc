#include "pkg/recovery/unwind.h"

#include <algorithm>
#include <cstdint>
#include <ucontext.h>
#include <unwind.h>

namespace podkeeper::recovery {
namespace {

struct Walk {
  std::span<void*> into;
  std::size_t depth = 0;
};

_Unwind_Reason_Code take_frame(_Unwind_Context* context, void* data) {
  auto& walk = *static_cast<Walk*>(data);
  const auto address = _Unwind_GetIP(context);
  if (address == 0 || walk.depth == walk.into.size()) return _URC_END_OF_STACK;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the unwinder gives addresses as integers.
  walk.into[walk.depth++] = reinterpret_cast<void*>(address);
  return _URC_NO_REASON;
}

}  // namespace

std::size_t unwind(std::span<void*> into) noexcept {
  Walk walk{into};
  _Unwind_Backtrace(&take_frame, &walk);
  return walk.depth;
}

void* interrupted_at(const void* context) noexcept {
  const auto& registers = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  const auto address = static_cast<std::uintptr_t>(registers.gregs[REG_RIP]);
#elif defined(__aarch64__)
  const auto address = static_cast<std::uintptr_t>(registers.pc);
#else
  const std::uintptr_t address = (static_cast<void>(registers), 0);
#endif
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a register is an integer.
  return reinterpret_cast<void*>(address);
}

std::span<void*> interrupted_stack(std::span<void*> unwound, void* interrupted) noexcept {
  const auto at = std::ranges::find(unwound, interrupted);
  if (interrupted == nullptr || at == unwound.end()) return unwound;
  *at = static_cast<char*>(*at) + 1;
  return {at, unwound.end()};
}

}  // namespace podkeeper::recovery
