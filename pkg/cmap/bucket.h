#pragma once

#include "pkg/cmap/record.h"

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace podkeeper::cmap {

/// Steps of this thread's searches beyond the shortest: buckets after the home bucket, and records
/// compared in vain. Told by difference; a search that needs no such step does not touch it.
inline constinit thread_local std::uint64_t extra_steps = 0;

/// One cache line of a table: a word with seven 7-bit tags and one overflow byte, and seven words
/// that point to immutable records. (After Boost.Unordered's and F14's groups.)
struct alignas(64) Bucket {
  static constexpr std::size_t kSlots = 7;
  /// A slot's lowest bit: the record has been copied to another table, and nothing may change here.
  static constexpr std::uintptr_t kFrozen = 1;
  static constexpr std::uint64_t kPresent = 0x0080'8080'8080'8080;  ///< top bit of each tag

  /// Bytes 0..6: 0x80 | tag, or 0 for free; byte 7: overflow classes.
  std::atomic<std::uint64_t> meta{0};
  std::array<std::atomic<std::uintptr_t>, kSlots> slots{};

  static std::uint64_t tag(std::uint64_t hash) noexcept { return (hash & 0x7f) | 0x80; }
  static std::uint64_t overflow_bit(std::uint64_t hash) noexcept {
    return std::uint64_t{1} << (56 + ((hash >> 7) & 7));
  }
  /// The slots whose tag is that of `hash`, as the top bits of their bytes; may show one too many,
  /// never one too few.
  static std::uint64_t matches(std::uint64_t meta, std::uint64_t hash) noexcept {
    constexpr std::uint64_t kOnes = 0x0101'0101'0101'0101;
    const std::uint64_t difference = meta ^ (tag(hash) * kOnes);
    return (difference - kOnes) & ~difference & kPresent;
  }
  static const Record* record_of(std::uintptr_t slot) noexcept {
    return reinterpret_cast<const Record*>(slot & ~kFrozen);
  }
  static std::uintptr_t slot_of(const Record* record) noexcept {
    return reinterpret_cast<std::uintptr_t>(record);
  }
};
static_assert(sizeof(Bucket) == 64, "a bucket is one cache line");

/// A power of two of buckets, one after the other; owns nothing. `hash` is what the map places the
/// key by, `home` the index its owner takes from it, modulo their number.
///
/// A key lies in its home bucket or, where that was full, in the nearest later one with room; every
/// bucket it had to pass keeps a bit for its class (three bits of the hash), so a search ends at
/// the first bucket without the bit. A find usually costs two cache misses: the bucket and the
/// record.
///
/// Why a reader needs no lock: a slot is one atomic word, so there is nothing to tear, and it alone
/// says whether a key is there; a record never moves within its buckets, so a key that is there
/// throughout is found; a key that goes and comes elsewhere was absent in between.
struct Buckets {
  Bucket* first;
  unsigned log2;  ///< of their number

  struct Place {
    Bucket* bucket = nullptr;  ///< null: not here
    std::size_t slot = 0;
    bool displaced = false;   ///< not in its home bucket
    std::uintptr_t seen = 0;  ///< the key's record, as it was in the slot
    [[nodiscard]] std::atomic<std::uintptr_t>& word() const noexcept { return bucket->slots[slot]; }
  };

  [[nodiscard]] std::size_t mask() const noexcept { return (std::size_t{1} << log2) - 1; }

  /// Any thread, under an Epoch::Guard or the owner's lock. What nearly every find needs is in
  /// line: the home bucket and the first record with the key's tag.
  [[nodiscard]] const Record* find(std::size_t home, std::uint64_t hash,
                                   const Key& key) const noexcept;
  /// Like find(), and says where. The slot may have lost the record by the time it is looked at.
  [[nodiscard]] Place locate(std::size_t home, std::uint64_t hash, const Key& key) const noexcept;

  /// The two cache misses of a find(), started without waiting for them: first the bucket, then,
  /// once that has come, the record.
  void prefetch_bucket(std::size_t home) const noexcept {
    __builtin_prefetch(&first[home & mask()]);
  }
  void prefetch_record(std::size_t home, std::uint64_t hash) const noexcept;

  /// The one writer only; there is a free slot.
  void place(std::size_t home, std::uint64_t hash, const Record* record) const noexcept;
  /// Frees the tag of a slot that is null already. The one writer only.
  static void free_tag(const Place& place) noexcept;

 private:
  /// The key's bytes often lie right behind the record's head: both misses at once, not one after
  /// the other.
  static void prefetch_key(const Record& record) noexcept {
    __builtin_prefetch(reinterpret_cast<const char*>(&record) + 64);
  }
  static bool is(const Record& record, const Key& key) noexcept {
    return record.hash() == key.hash && record.key_text() == key.text;
  }
};

inline void Buckets::prefetch_record(std::size_t home, std::uint64_t hash) const noexcept {
  const Bucket& bucket = first[home & mask()];
  const std::uint64_t m = Bucket::matches(bucket.meta.load(std::memory_order_acquire), hash);
  if (m == 0) return;
  const auto slot = static_cast<std::size_t>(std::countr_zero(m)) / 8;
  const auto* record = reinterpret_cast<const char*>(
      Bucket::record_of(bucket.slots[slot].load(std::memory_order_relaxed)));
  __builtin_prefetch(record);
  __builtin_prefetch(record + 64);
}

inline const Record* Buckets::find(std::size_t home, std::uint64_t hash,
                                   const Key& key) const noexcept {
  const Bucket& bucket = first[home & mask()];
  const std::uint64_t m = Bucket::matches(bucket.meta.load(std::memory_order_acquire), hash);
  if (m != 0) [[likely]] {
    const auto slot = static_cast<std::size_t>(std::countr_zero(m)) / 8;
    const Record* record = Bucket::record_of(bucket.slots[slot].load(std::memory_order_acquire));
    if (record != nullptr) [[likely]] {
      prefetch_key(*record);
      if (is(*record, key)) [[likely]]
        return record;
    }
  }
  return Bucket::record_of(locate(home, hash, key).seen);
}

}  // namespace podkeeper::cmap
