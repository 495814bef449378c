#pragma once

#include "pkg/kubeapi/read_api.h"
#include "pkg/simkube/cluster.h"

namespace podkeeper::simkube {

/// Bodies above this are 413, as upstream's.
inline constexpr std::size_t kWriteBytesMax = 3 * 1024 * 1024;

/// POST, PUT, PATCH (merge-patch) and DELETE over a cluster, which outlives the handler. Reads are
/// kubeapi's alone.
kubeapi::WriteHandler make_write_handler(Cluster& cluster);

}  // namespace podkeeper::simkube
