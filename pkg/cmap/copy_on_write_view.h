#pragma once

#include "pkg/cmap/copy_on_write_map.h"
#include "pkg/cmap/versioned_segment.h"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace podkeeper::cmap {

/// A live snapshot: what it shows, and its place among the map's.
struct CopyOnWriteMap::View {
  const CopyOnWriteMap* map = nullptr;
  std::unique_ptr<std::uintptr_t[]> words;
  unsigned log2 = 0;
  std::size_t entries = 0;
  // The map's, under its mutex.
  std::uint64_t version = 0;
  View* older = nullptr;
  View* newer = nullptr;
  VersionedSegment* waiting = nullptr;  ///< those replaced whose newest live snapshot this is

  [[nodiscard]] std::size_t bytes() const { return sizeof(std::uintptr_t) << log2; }
};

}  // namespace podkeeper::cmap
