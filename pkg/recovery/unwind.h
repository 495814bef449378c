#pragma once

#include <cstddef>
#include <span>

namespace podkeeper::recovery {

/// This thread's stack as the unwinder sees it: return addresses, innermost first, this function's
/// own caller among them; gives how many. Deeper ones are cut at the outer end. Async-signal-safe
/// once it has been called outside a handler: it allocates nothing and takes no lock, since the
/// unwinder finds its tables by _dl_find_object (glibc 2.35 and later; libgcc 12 and later), which
/// was made for this.
std::size_t unwind(std::span<void*> into) noexcept;

/// Where a signal interrupted the thread, of its handler's third argument; null where this
/// processor's registers are not known. Async-signal-safe.
void* interrupted_at(const void* context) noexcept;

/// What unwind() gave inside a handler, without the handler's own frames, in the form that
/// symbolize() reads: it looks one byte before a return address, which `interrupted` is none, and
/// so is changed in place. Async-signal-safe.
std::span<void*> interrupted_stack(std::span<void*> unwound, void* interrupted) noexcept;

}  // namespace podkeeper::recovery
