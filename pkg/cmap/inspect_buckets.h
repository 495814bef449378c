#pragma once

#include "pkg/cmap/bucket.h"
#include "pkg/cmap/inspect.h"
#include "pkg/cmap/record.h"

#include <cstddef>
#include <cstdint>
#include <functional>

namespace podkeeper::cmap {

/// The record that a slot's word stands for, null for none: Bucket's, or another table's own.
using RecordOf = const Record* (*)(std::uintptr_t slot) noexcept;

/// Fills in what a search for `key` meets in `buckets` from `home` on; `hash` is what the map
/// places the key by. Any thread, under an Epoch::Guard: it reads as find() does, beside any
/// writer.
void describe_buckets(const Buckets& buckets, std::size_t home, std::uint64_t hash, const Key& key,
                      ProbeChain& chain, RecordOf record_of = &Bucket::record_of);

/// Adds what lies in `buckets` to `census`; `home_of` gives a key's home bucket. Likewise any
/// thread, under an Epoch::Guard. O(buckets + entries).
void count_buckets(const Buckets& buckets,
                   const std::function<std::size_t(const Key& key)>& home_of, TableCensus& census,
                   RecordOf record_of = &Bucket::record_of);

}  // namespace podkeeper::cmap
