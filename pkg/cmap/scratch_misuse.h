#pragma once

#include "pkg/base/ref.h"
#include "pkg/base/task_context.h"

namespace podkeeper::cmap {

/// A drill: has `writer` write a table that nobody else knows, and the task that runs now iterate
/// over it meanwhile. Ends in the base::Misuse that the table's WriteFlag raises, whose parties are
/// the two tasks. Any thread; O(1).
[[noreturn]] void iterate_while_written_by(const base::Ref<base::TaskContext>& writer);

}  // namespace podkeeper::cmap
