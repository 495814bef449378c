#pragma once

#include "pkg/cmap/bucket.h"
#include "pkg/cmap/inspect.h"
#include "pkg/cmap/record.h"

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace podkeeper::cmap {

/// What a slot of a SyncTable holds, in one atomic word, so that every change of a key that has a
/// slot is one compare-and-swap:
///
///   free      0           nobody was ever here
///   record    its address the key's record; the slot belongs to this hash until the table goes
///   erased    hash, bit 1 the key is absent; a key of this hash may come back here without a lock
///   expunged  bit 0 alone  no key will be here again: look in the other table
///
/// A record's two low bits: kFrozen, it is being moved and must not change here; kShared, another
/// key of exactly this hash lives elsewhere, so that an erase expunges. A map that spends its top
/// bits on choosing a part loses no bit of the hash in `erased`.
struct SyncWord {
  static constexpr std::uintptr_t kFree = 0;
  static constexpr std::uintptr_t kFrozen = 1;
  static constexpr std::uintptr_t kErased = 2;
  static constexpr std::uintptr_t kShared = 4;
  static constexpr std::uintptr_t kExpunged = kFrozen;
  static constexpr unsigned kHashBitsLost = 2;  ///< top bits that `erased` has no room for
  static_assert(alignof(Record) >= 8 && sizeof(std::uintptr_t) == 8, "three bits are spare");

  static std::uintptr_t of(const Record* record) noexcept {
    return reinterpret_cast<std::uintptr_t>(record);
  }
  static std::uintptr_t erased(std::uint64_t hash) noexcept {
    return (hash << kHashBitsLost) | kErased;
  }
  static bool is_erased(std::uintptr_t word) noexcept { return (word & kErased) != 0; }
  /// Null where there is none.
  static const Record* record(std::uintptr_t word) noexcept {
    if (is_erased(word)) [[unlikely]]
      return nullptr;
    return reinterpret_cast<const Record*>(word & ~(kFrozen | kShared));
  }
  static bool is_frozen(std::uintptr_t word) noexcept { return (word & (kFrozen | kErased)) == 1; }
  static bool is_shared(std::uintptr_t word) noexcept {
    return (word & (kShared | kErased)) == kShared;
  }
};

/// The table SyncMap has twice. Keys get a slot under the owner's lock and keep it; what the slot
/// holds changes by compare-and-swap, from any thread. Open addressing as in Buckets. A value of
/// one word (address and size, so that a reader gets both together) that owns nothing: the owner
/// frees or retires it.
///
/// Any thread may call the const functions of a published table, under an Epoch::Guard.
class SyncTable {
 public:
  /// Top bits of every hash that the owner spends on choosing one of its tables.
  static constexpr unsigned kSkippedBits = 9;
  static_assert(kSkippedBits >= SyncWord::kHashBitsLost, "they tell the bits that a slot loses");
  static constexpr std::size_t kBucketsMax = std::size_t{1} << 27;

  SyncTable() = default;
  explicit SyncTable(std::uintptr_t word) noexcept : word_(word) {}
  /// A table of free slots; `buckets` is a power of two up to kBucketsMax, else it panics.
  static SyncTable make(std::size_t buckets);
  void free() noexcept;  ///< one that was never published, or none
  void retire() const;   ///< frees it once no reader can be in it

  [[nodiscard]] std::uintptr_t word() const noexcept { return word_; }
  explicit operator bool() const noexcept { return word_ != 0; }
  [[nodiscard]] std::size_t buckets() const noexcept;  ///< 0: none
  [[nodiscard]] std::size_t bytes() const noexcept { return buckets() * sizeof(Bucket); }
  /// Keys that fit: 4/5 of the slots.
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_of(buckets()); }
  static std::size_t capacity_of(std::size_t buckets) noexcept {
    return buckets * Bucket::kSlots * 4 / 5;
  }
  /// The least size for so many keys.
  static std::size_t buckets_for(std::size_t keys) noexcept;

  /// A slot and what was read in it; no slot: the key has none here.
  struct Hit {
    std::atomic<std::uintptr_t>* slot = nullptr;
    std::uintptr_t word = 0;
  };
  /// The slot that holds the key's record, or that an erased key of its hash left. Expected O(1).
  /// `hash` is what the map places the key by.
  [[nodiscard]] Hit locate(std::uint64_t hash, const Key& key) const noexcept;

  /// The two cache misses of a locate(), started without waiting for them; see Buckets.
  void prefetch_bucket(std::uint64_t hash) const noexcept {
    const View table = view();
    table.prefetch_bucket(table.home(hash));
  }
  void prefetch_record(std::uint64_t hash) const noexcept;

  /// The last hash of the stretch of a walk that `from` lies in: of kStretchBuckets' keys.
  [[nodiscard]] std::uint64_t stretch_end(std::uint64_t from) const noexcept;
  /// Adds the records whose keys are placed by `from` to `last`. False, with `out` empty, when
  /// `out` has not the capacity: it never allocates. The owner only. O(slots of the stretch).
  [[nodiscard]] bool collect(std::uint64_t from, std::uint64_t last, const Placement& placement,
                             std::vector<const Record*>* out) const noexcept;

  /// For Observed; any thread. The key's home bucket; what a search for it meets; how full it is.
  [[nodiscard]] std::size_t home_bucket(std::uint64_t hash) const noexcept {
    return view().home(hash);
  }
  void describe(std::uint64_t hash, const Key& key, ProbeChain& chain) const;
  void count(const Placement& placement, TableCensus& census) const;

  static constexpr unsigned kStretchLog2 = 6;
  static constexpr std::size_t kStretchBuckets = std::size_t{1} << kStretchLog2;

  enum class Sharing { kNone, kMarked, kChanged };
  /// Marks the records of other keys of exactly this hash as shared. kChanged: a slot of it was
  /// changed meanwhile, look again. The owner only.
  [[nodiscard]] Sharing share(std::uint64_t hash, const Placement& placement) const noexcept;

  /// Gives a key that has no slot one. The owner only; there must be room.
  void place(std::uint64_t hash, const Record* record, bool shared) const noexcept;

  /// Expunges what is erased; returns how many records there are then, which does not grow while
  /// nobody places. The owner only. O(slots).
  [[nodiscard]] std::size_t expunge() const noexcept;

  /// Moves every record to `to`, which nobody sees yet, and leaves them frozen here. Returns how
  /// many. The owner only. O(slots).
  [[nodiscard]] std::size_t drain(SyncTable to, const Placement& placement) const noexcept;

  /// Drops the records in the home buckets of the hashes `from` to `last`, of a table that nobody
  /// else uses any more; gives their number. O(slots of the stretch).
  [[nodiscard]] std::size_t clear(std::uint64_t from, std::uint64_t last) const;

  /// Calls `take(record)` for each record. O(slots).
  template <class F>
  void each(F&& take) const {
    const View all = view();
    for (std::size_t i = 0; all.first != nullptr && i <= all.mask(); ++i) {
      for (const auto& slot : all.first[i].slots) {
        const Record* record = SyncWord::record(slot.load(std::memory_order_acquire));
        if (record != nullptr) take(*record);
      }
    }
  }

 private:
  struct View : Buckets {
    [[nodiscard]] std::size_t home(std::uint64_t hash) const noexcept {
      return static_cast<std::size_t>(((hash << kSkippedBits) >> 1) >> (63 - log2));
    }
  };
  [[nodiscard]] View view() const noexcept {
    constexpr std::uintptr_t kLow = alignof(Bucket) - 1;
    const auto log2 = static_cast<unsigned>(word_ & kLow);
    return {{reinterpret_cast<Bucket*>(word_ & ~kLow), log2}};
  }

  std::uintptr_t word_ = 0;  ///< address of the buckets, in the low six bits log2 of their number
};

inline SyncTable::Hit SyncTable::locate(std::uint64_t hash, const Key& key) const noexcept {
  const View table = view();
  const std::size_t last = table.mask();
  const std::size_t home = table.home(hash);
  for (std::size_t probe = 0; probe <= last; ++probe) {
    Bucket& bucket = table.first[(home + probe) & last];
    const std::uint64_t meta = bucket.meta.load(std::memory_order_acquire);
    for (std::uint64_t m = Bucket::matches(meta, hash); m != 0; m &= m - 1) {
      auto& slot = bucket.slots[static_cast<std::size_t>(std::countr_zero(m)) / 8];
      const std::uintptr_t word = slot.load(std::memory_order_acquire);
      if (const Record* record = SyncWord::record(word)) [[likely]] {
        // The key's bytes often lie right behind the record's head: both misses at once.
        __builtin_prefetch(reinterpret_cast<const char*>(record) + 64);
        if (record->hash() == key.hash && record->key_text() == key.text) return {&slot, word};
      } else if (word == SyncWord::erased(hash)) {
        return {&slot, word};
      }
      ++extra_steps;
    }
    if ((meta & Bucket::overflow_bit(hash)) == 0) break;
    ++extra_steps;
  }
  return {};
}

}  // namespace podkeeper::cmap
