#pragma once

#include "pkg/state/partitioned_map.h"

#include <span>
#include <string>

namespace podkeeper::api {

/// What each partition of each map runs, {"kind":"MapList","items":[...]}: strategy, shards, hash,
/// entries, bytes of tables and records, operations so far, contention.
std::string map_list_json(std::span<const state::Partitions* const> maps);

}  // namespace podkeeper::api
