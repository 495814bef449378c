#pragma once

#include "pkg/http/server.h"
#include "pkg/runtime/real_supervisor.h"

namespace podkeeper::api {

/// Serves /debug/crashes: how the processes before this one ended, newest first, each with its
/// report (signal, fault, thread, task, registers, stack by name) where it had the time for one.
/// `supervision` outlives the router.
void add_crashes_route(http::Router& router, const runtime::Supervision& supervision);

}  // namespace podkeeper::api
