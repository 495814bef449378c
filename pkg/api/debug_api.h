#pragma once

#include "pkg/base/world.h"
#include "pkg/http/server.h"
#include "pkg/runtime/real_watchdog.h"
#include "pkg/runtime/task_group.h"

#include <chrono>

namespace podkeeper::api {

/// Serves /debug/tasks (every task: name, state, age, parent, created by) and /debug/panics (the
/// last reports, with their stacks by name, both parties of a misuse, and what the maps remember of
/// the task), as JSON.
void add_debug_routes(http::Router& router, runtime::TaskRegistry& tasks);

/// Serves /debug/threads: every thread of the process with its name, its task and its native stack,
/// taken now, and what the watchdog saw of the last stall. It holds its own thread for some
/// milliseconds, a second at most.
void add_threads_route(http::Router& router, const runtime::Watchdog& watchdog);

/// How long a deliberate stall may be asked to last.
inline constexpr std::chrono::seconds kStallMax{60};

/// Serves POST /debug/panic?handler=&kind=: makes one handler of that kind panic, as a bug in it
/// would (kind=misuse: it walks a scratch table that a task "debug-panic-writer" is writing). http
/// and stream panic in the request's own handler; the others in a task (or thread) of that kind
/// which `group` starts. kind=stall&seconds=N does not panic: it holds the request's thread so
/// long. kind=segv, overflow and terminate end the process (recovery::CrashKind).
void add_panic_route(http::Router& router, runtime::TaskGroup& group);

}  // namespace podkeeper::api
