#pragma once

#include "pkg/kubeapi/read_api.h"
#include "pkg/simkube/cluster.h"

#include <functional>

namespace podkeeper::simkube {

/// Bodies above this are 413, as upstream's.
inline constexpr std::size_t kWriteBytesMax = 3 * 1024 * 1024;

/// Bodies nested deeper are 400.
inline constexpr std::size_t kWriteDepthMax = 500;

/// POST, PUT, PATCH (JSON, merge, strategic merge and, of custom resources, apply) and DELETE over
/// a cluster, which outlives the handler. Reads are kubeapi's alone. `definitions_changed` is
/// called after every write of a definition, before its answer: what is served then follows
/// Cluster::offer().
kubeapi::WriteHandler make_write_handler(Cluster& cluster,
                                         std::function<void()> definitions_changed = {});

}  // namespace podkeeper::simkube
