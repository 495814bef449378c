#pragma once

// The types that the cases under compile_fail/ misuse. Compiled once for all of them, so that a
// case costs a fifth of a second.

#include "pkg/access/authorized.h"
#include "pkg/base/epoch.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/snapshot.h"
#include "pkg/base/task.h"
#include "pkg/base/task_context.h"
#include "pkg/base/thread_annotations.h"
#include "pkg/cmap/copy_on_write_map.h"
#include "pkg/cmap/flat_table.h"
#include "pkg/cmap/lock_free_map.h"
#include "pkg/cmap/map.h"
#include "pkg/cmap/mutex_map.h"
#include "pkg/cmap/rw_mutex_map.h"
#include "pkg/cmap/sharded_map.h"
#include "pkg/cmap/sync_map.h"
#include "pkg/health/checks.h"
#include "pkg/http/client_pool.h"
#include "pkg/http/server.h"
#include "pkg/http/server_core.h"
#include "pkg/runtime/task_group.h"
#include "pkg/runtime/wakeup.h"
#include "pkg/state/partitioned_map.h"
#include "pkg/state/record.h"
#include "pkg/state/store.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metric_names.h"
#include "pkg/telemetry/metrics.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
