#pragma once

#include "pkg/cmap/record.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace podkeeper::cmap {

/// Where a strategy has a key's home: which of its tables (shard, segment), and which bucket in it,
/// as of now.
struct Position {
  std::uint32_t shard = 0;
  std::uint32_t bucket = 0;
  friend bool operator==(const Position&, const Position&) = default;
};

/// One bucket as a search for a key meets it.
struct ProbedBucket {
  struct Slot {
    std::uint8_t tag = 0;  ///< seven bits of the hash, with 0x80; 0: the tag is gone, or not there
    std::uint64_t hash = 0;
    std::string key = {};  ///< shortened by shorten_key()
    bool matches = false;  ///< the search compares this one: its tag is the key's
  };
  std::uint32_t index = 0;
  bool dirty = false;            ///< of SyncMap's dirty table, which is searched after the read one
  std::uint8_t overflow = 0;     ///< bit c: a key of class c had to pass this bucket
  std::vector<Slot> slots = {};  ///< those in use
};

/// What a search for a key walks through, from its home on. Taken while others write: each word in
/// it was there, not all of them at one moment.
struct ProbeChain {
  static constexpr std::size_t kBucketsMax = 16;  ///< of one table; longer ones are cut

  Position home = {};
  /// How many tables there are, or would be if all were as small as this one; 0: there is no chain
  /// to show, since the map places keys by their text and was asked with the hash alone.
  std::uint64_t tables = 0;
  std::uint64_t buckets = 0;  ///< of the home's table
  std::uint8_t overflow_class = 0;
  bool found = false;
  bool cut = false;
  std::vector<ProbedBucket> probed = {};
};
/// One line: "shard 3 of 256, home 17 of 64, absent: [17] overflow 04: 8a default/a 9c* default/b".
/// A star is behind each tag that the key's hash has too.
std::string to_text(const ProbeChain& chain);

/// How full one of a strategy's tables is. Taken while others write: exact when nobody does.
struct TableCensus {
  static constexpr std::size_t kSlots = 7;       ///< of a bucket
  static constexpr std::size_t kProbesMax = 16;  ///< the last count holds all longer ones, too

  std::uint32_t shard = 0;
  std::uint64_t entries = 0;
  std::uint64_t buckets = 0;
  /// Displaced entries erased since the table was filled; in SyncMap slots of erased keys.
  std::uint64_t tombstones = 0;
  std::uint64_t bytes = 0;  ///< of the table, without the records
  std::array<std::uint64_t, kSlots + 1> buckets_by_fill{};
  /// [p]: entries that a search finds in the p-th bucket it looks at, from 0.
  std::array<std::uint64_t, kProbesMax> entries_by_probe{};

  /// Adds the other's counts; keeps the shard.
  TableCensus& operator+=(const TableCensus& other) noexcept;
};

}  // namespace podkeeper::cmap
