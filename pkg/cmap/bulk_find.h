#pragma once

#include "pkg/cmap/record.h"

#include <algorithm>
#include <cstddef>
#include <span>

namespace podkeeper::cmap {

/// Keys whose cache misses a bulk lookup overlaps: about as many as a core has line fill buffers.
inline constexpr std::size_t kBulkKeys = 16;

/// Finds up to kBulkKeys keys in three passes: fetch every bucket, fetch every record, compare.
template <class Table>
void find_group(std::span<const Key> keys, std::span<const Record*> found, const Table& table) {
  for (const Key& key : keys) table.prefetch_bucket(key);
  for (const Key& key : keys) table.prefetch_record(key);
  for (std::size_t i = 0; i < keys.size(); ++i) found[i] = table.find(keys[i]);
}

/// Calls `group(keys, found)` for one stretch of at most kBulkKeys after the other.
template <class Group>
void for_each_group(std::span<const Key> keys, std::span<const Record*> found, Group&& group) {
  for (std::size_t from = 0; from < keys.size(); from += kBulkKeys) {
    const std::size_t count = std::min(kBulkKeys, keys.size() - from);
    group(keys.subspan(from, count), found.subspan(from, count));
  }
}

}  // namespace podkeeper::cmap
