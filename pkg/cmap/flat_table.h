#pragma once

#include "pkg/base/ref.h"
#include "pkg/cmap/record.h"

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace podkeeper::cmap {

/// Hash table of records with open addressing: what every strategy has inside. One writer at a
/// time, which the owner's lock sees to; find() may run beside it without a lock, under an
/// Epoch::Guard.
///
/// A bucket is one cache line: a word with seven 7-bit tags and one overflow byte, and seven words
/// that point to immutable records. A key lies in its home bucket (the top bits of its hash) or,
/// where that was full, in the nearest later one with room; every bucket it had to pass keeps a bit
/// for its class (three other bits of the hash), so a search ends at the first bucket without the
/// bit. (After Boost.Unordered's and F14's groups.) A find usually costs two cache misses: the
/// bucket and the record.
///
/// Why a reader needs no lock: a slot is one atomic word, so there is nothing to tear; a record
/// never moves within a storage, so a key that is there throughout is found; a key that goes and
/// comes elsewhere was absent in between. A change of size fills a new storage, publishes it by one
/// word and leaves the old as it was for the readers still in it. Tombstones are the overflow bits
/// that outlive their reason: they are counted, and a storage with too many is rebuilt in the same
/// size.
///
/// Nothing is allocated or freed here while the owner's lock is held: apply() asks for storage and
/// gives the old back. Load is kept within 1/8..4/5 of the slots; while a table only grows it
/// is 11..23 B an entry.
class FlatTable {
 public:
  static constexpr std::size_t kSlots = 7;  ///< in a bucket
  static constexpr std::size_t kBucketsMax = std::size_t{1}
                                             << 28;  ///< 1.5 G entries; beyond, put() panics

  struct alignas(64) Bucket {
    std::atomic<std::uint64_t> meta{
        0};  ///< bytes 0..6: 0x80 | tag, or 0 for free; byte 7: overflow classes
    std::array<std::atomic<const Record*>, kSlots> slots{};
  };
  static_assert(sizeof(Bucket) == 64, "a bucket is one cache line");

  /// Buckets of one table, all free at first. Owns the memory, not the records.
  class Storage {
   public:
    Storage() = default;
    /// `buckets` is a power of two, at most kBucketsMax, else it panics.
    explicit Storage(std::size_t buckets);
    Storage(Storage&& other) noexcept : word_(std::exchange(other.word_, 0)) {}
    Storage& operator=(Storage&& other) noexcept {
      std::swap(word_, other.word_);
      return *this;
    }
    ~Storage();

    [[nodiscard]] std::size_t buckets() const noexcept;  ///< 0: none
    /// Gives the memory back once no reader can be in it.
    void retire() &&;

   private:
    friend class FlatTable;
    [[nodiscard]] std::uintptr_t release() noexcept { return std::exchange(word_, 0); }
    std::uintptr_t word_ = 0;  ///< see View
  };

  /// One change of one key. Erases where `record` is null.
  struct Write {
    const Key& key;
    const Record* record = nullptr;
    bool conditional = false;  ///< only while the key holds exactly `expected` (null: is absent)
    const Record* expected = nullptr;
  };
  enum class Outcome {
    kDone,
    kRefused,       ///< the condition did not hold, or there was nothing to erase
    kNeedsStorage,  ///< nothing was done: come again with a spare of `buckets`
  };
  struct Answer {
    Outcome outcome;
    const Record* before =
        nullptr;  ///< what the key held; the table's count of it is the caller's now
    std::size_t buckets = 0;
  };

  FlatTable();
  /// Retires the records and the storage.
  ~FlatTable();
  FlatTable(const FlatTable&) = delete;
  FlatTable& operator=(const FlatTable&) = delete;

  /// Says that the owner spent so many top bits of every hash on choosing this table. Before the
  /// first use; below 64.
  void skip_bits(unsigned bits) noexcept { skip_bits_ = bits; }

  /// Any thread, under an Epoch::Guard or the owner's lock. Expected O(1).
  [[nodiscard]] const Record* find(const Key& key) const noexcept;

  /// The two cache misses of a find() of `key`, started without waiting for them: first the bucket,
  /// then, once that has come, the record. As find() otherwise.
  void prefetch_bucket(const Key& key) const noexcept;
  void prefetch_record(const Key& key) const noexcept;

  /// The writer only. On kDone the table owns one count of the record. `spare` is used when its
  /// size is the one needed, and holds the old storage afterwards. O(1), and O(entries) when the
  /// size changes.
  [[nodiscard]] Answer apply(const Write& write, Storage& spare) noexcept;

  /// Collects the records of one stretch of the hash range, beginning at `*position`, as of one
  /// moment, and moves
  /// `*position` to the next stretch; empty after the last. A key's stretch depends on its hash
  /// alone, so a walk sees each key once even if the table changes its size between two calls.
  /// Under the owner's lock. False, with `out` empty, when `out` has not the capacity: it never
  /// allocates.
  [[nodiscard]] bool collect(std::optional<std::uint64_t>* position,
                             std::vector<const Record*>* out) const noexcept;

  /// Any thread.
  [[nodiscard]] std::size_t size() const noexcept {
    return entries_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t bytes() const noexcept;

  static constexpr std::size_t kStretchBuckets =
      64;  ///< how much one collect() walks, when nothing is displaced

 private:
  /// A storage in one word, so that readers get pointer and size together: buckets are aligned to
  /// 64 B, the low six bits hold log2 of their number.
  struct View {
    Bucket* buckets;
    unsigned log2;
    [[nodiscard]] std::size_t mask() const noexcept { return (std::size_t{1} << log2) - 1; }
    /// Of a hash whose first skip_bits are shifted out.
    [[nodiscard]] std::size_t home(std::uint64_t shifted) const noexcept {
      return static_cast<std::size_t>((shifted >> 1) >> (63 - log2));
    }
  };
  static View view_of(std::uintptr_t word) noexcept {
    constexpr std::uintptr_t kLow = alignof(Bucket) - 1;
    return {reinterpret_cast<Bucket*>(word & ~kLow), static_cast<unsigned>(word & kLow)};
  }

  static constexpr std::uint64_t kPresent = 0x0080'8080'8080'8080;  ///< top bit of each tag
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
  static bool is(const Record& record, const Key& key) noexcept {
    return record.hash() == key.hash && record.key_text() == key.text;
  }

  struct Place {
    Bucket* bucket = nullptr;
    std::size_t slot = 0;
    bool displaced = false;
  };
  [[nodiscard]] View view() const noexcept {
    return view_of(root_.load(std::memory_order_acquire));
  }
  [[nodiscard]] Place locate(const Key& key) const noexcept;
  [[nodiscard]] std::size_t buckets_for(const Write& write, bool present) const noexcept;
  static void place(View view, std::uint64_t shifted, const Record* record) noexcept;
  void move_to(Storage& spare) noexcept;
  void clear(const Place& place) noexcept;

  std::atomic<std::uintptr_t> root_;
  unsigned skip_bits_ = 0;
  std::atomic<std::size_t> entries_{0};
  std::size_t tombstones_ =
      0;  ///< displaced entries erased since the storage was filled: each may leave bits behind
};

inline void FlatTable::prefetch_bucket(const Key& key) const noexcept {
  const View table = view();
  __builtin_prefetch(&table.buckets[table.home(key.hash << skip_bits_)]);
}

inline void FlatTable::prefetch_record(const Key& key) const noexcept {
  const View table = view();
  const Bucket& bucket = table.buckets[table.home(key.hash << skip_bits_)];
  const std::uint64_t m = matches(bucket.meta.load(std::memory_order_acquire), key.hash);
  if (m == 0) return;
  const auto slot = static_cast<std::size_t>(std::countr_zero(m)) / 8;
  const auto* record =
      reinterpret_cast<const char*>(bucket.slots[slot].load(std::memory_order_relaxed));
  __builtin_prefetch(record);
  __builtin_prefetch(record + 64);
}

inline const Record* FlatTable::find(const Key& key) const noexcept {
  const View table = view();
  const std::size_t mask = table.mask();
  std::size_t index = table.home(key.hash << skip_bits_);
  for (std::size_t probe = 0; probe <= mask; ++probe, index = (index + 1) & mask) {
    const Bucket& bucket = table.buckets[index];
    const std::uint64_t meta = bucket.meta.load(std::memory_order_acquire);
    for (std::uint64_t m = matches(meta, key.hash); m != 0; m &= m - 1) {
      const auto slot = static_cast<std::size_t>(std::countr_zero(m)) / 8;
      const Record* record = bucket.slots[slot].load(std::memory_order_acquire);
      if (record == nullptr) continue;
      // The key's bytes often lie right behind the record's head: both misses at once, not one
      // after the other.
      __builtin_prefetch(reinterpret_cast<const char*>(record) + 64);
      if (is(*record, key)) return record;
    }
    if ((meta & overflow_bit(key.hash)) == 0) return nullptr;
  }
  return nullptr;
}

}  // namespace podkeeper::cmap
