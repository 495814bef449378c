#pragma once

#include "pkg/cmap/bucket.h"
#include "pkg/cmap/flat_table.h"
#include "pkg/cmap/inspect.h"
#include "pkg/cmap/record.h"
#include "pkg/cmap/segment.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace podkeeper::cmap {

/// Hash table of records that grows and shrinks one small segment at a time: what the strategies
/// Sharded and LockFree have inside. (Extendible hashing: Fagin, Nievergelt, Pippenger, Strong,
/// ACM TODS 4(3), 1979. Here the directory is a tree of arrays with a wide root, so that no step
/// ever copies it.)
///
/// The top bits of the hash choose a slot of the directory, the slot points to a segment of at most
/// 64 buckets (4 KiB, up to 358 entries), ten bits further down choose the home bucket. A find
/// loads the slot, the bucket and the record. Any thread may find() at any time under an
/// Epoch::Guard and never waits; see Buckets for why it needs no lock.
///
/// A segment that is full is replaced: by a larger one as long as it is small, then by two. The
/// replacement is filled in private, put into the directory slot by slot, and the old segment stays
/// as it was for the readers that are in it: such a reader answers as of the moment it loaded the
/// directory. So a put pays at most for one segment, about 360 records moved, whatever the size of
/// the map; a segment with too many tombstones is replaced by one of its size, two neighbours that
/// have become small by one. Only keys that agree in all bits that could tell them apart are kept
/// in a larger segment; a secret seed keeps that from being provoked.
///
/// Writers: whoever changes a segment holds the lock for it (see Locks), except for replace(),
/// which changes one slot by compare-and-swap. What a segment's replacement has copied it freezes
/// by the slot's lowest bit, so that such a change happens before the copy or not at all.
///
/// Memory: 12..24 B an entry while a table only grows, and 8 B for each slot of the root.
class SplitTable {
 public:
  using Write = FlatTable::Write;
  using Outcome = FlatTable::Outcome;
  using Spare = cmap::Spare;
  struct Answer {
    Outcome outcome = Outcome::kRefused;
    const Record* before = nullptr;  ///< its count is the caller's now
    /// With kNeedsStorage: the spare to come again with. With kDone: what shrink() would do.
    Replacement plan{};
    unsigned depth = 0;
  };

  /// What guards the segments' writes.
  enum class Locks {
    kOwner,    ///< locks of the owner, one for all keys that agree in the first `depth` bits
    kSegment,  ///< each segment's own; and replace() may be used
  };
  struct Options {
    Hash hash = Hash::kXXH3;
    Locks locks = Locks::kOwner;
    unsigned depth = 0;       ///< at least so many bits choose a segment; at most root_bits
    unsigned root_bits = 12;  ///< 1..kRootBitsMax: the root has 2^root_bits slots
  };
  static constexpr unsigned kRootBitsMax = 20;
  static constexpr unsigned kSegmentLog2 = 6;  ///< of the buckets of a full-sized segment

  explicit SplitTable(const Options& options);
  /// Retires the records, the segments and the directory.
  ~SplitTable();
  SplitTable(const SplitTable&) = delete;
  SplitTable& operator=(const SplitTable&) = delete;

  [[nodiscard]] std::uint64_t hash_of(const Key& key) const noexcept { return placement_(key); }

  /// Any thread, under an Epoch::Guard. Expected O(1).
  [[nodiscard, gnu::always_inline]] const Record* find(const Key& key) const noexcept {
    const std::uint64_t hash = placement_(key);
    return segment_of(hash).find(home(hash), hash, key);
  }
  /// The two cache misses of a find(); see Buckets.
  void prefetch_bucket(const Key& key) const noexcept;
  void prefetch_record(const Key& key) const noexcept;

  /// The segment that serves the hash now. Under an Epoch::Guard or its lock.
  [[nodiscard]] Segment& segment_for(std::uint64_t hash) const noexcept {
    return *segment_at(segment_of(hash).first);
  }

  /// Puts where the key is there already, by compare-and-swap, without a lock; nothing when only
  /// apply() can tell. Any thread, under an Epoch::Guard, with Locks::kSegment. Lock-free: tries
  /// again only when another thread's change of the key succeeded.
  [[nodiscard]] std::optional<Answer> replace(const Write& write,
                                              std::uint64_t hash) const noexcept;

  /// Makes the change in `segment`, which serves the hash, under its lock. On kDone the table owns
  /// one count of the record. `spare` is used when it is the one needed, and holds what it replaced
  /// afterwards. O(entries of a segment).
  [[nodiscard]] Answer apply(const Write& write, std::uint64_t hash, Segment& segment,
                             Spare& spare) {
    return segment.flag.write([&] { return change(write, hash, segment, spare); });
  }
  /// Makes the segment, or it and its neighbour, smaller, where apply() said it could be done and
  /// it still can; says what can be done next. Under its lock. O(entries of a segment).
  [[nodiscard]] Answer shrink(std::uint64_t hash, Segment& segment, Spare& spare) {
    return segment.flag.write([&] { return make_smaller(hash, segment, spare); });
  }
  static Spare make_spare(const Answer& answer) { return Spare(answer.plan, answer.depth); }

  /// Collects the records of `segment`, which serves `*position`, from there on, as of one moment
  /// but for replace(), and moves `*position` behind it; empty after the last. Under its lock.
  /// False, with `out` empty, when `out` has not the capacity: it never allocates.
  [[nodiscard]] bool collect(const Segment& segment, std::optional<std::uint64_t>* position,
                             std::vector<const Record*>* out) const {
    return segment.flag.read([&] { return gather(segment, position, out); });
  }

  /// Drops the records of `segment`, which serves `*position`, of a table that nobody else uses any
  /// more, and moves `*position` behind it; gives their number. O(slots of the segment).
  std::size_t clear(Segment& segment, std::optional<std::uint64_t>* position) {
    return segment.flag.write([&] { return drop(segment, position); });
  }

  /// Any thread, under an Epoch::Guard. O(segments).
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] std::size_t bytes() const noexcept {
    return bytes_.load(std::memory_order_relaxed);
  }

  /// For Observed; any thread, under an Epoch::Guard. A segment goes by the bits of the hash that
  /// choose it. The first is O(1), the last O(entries). A key without text has no chain where keys
  /// are placed by their text.
  [[nodiscard]] Position position_of(const Key& key) const noexcept;
  [[nodiscard]] ProbeChain describe(const Key& key) const;
  [[nodiscard]] std::vector<TableCensus> census() const;

 private:
  // A slot of the directory: a segment's buckets with log2 of their number in the low six bits, so
  // that a reader gets both together, or a node marked by kNode there.
  static constexpr std::uintptr_t kLow = 63;
  static constexpr std::uintptr_t kNode = 63;
  using Slot = std::atomic<std::uintptr_t>;

  static std::uintptr_t word_of(const Segment& segment) noexcept {
    return reinterpret_cast<std::uintptr_t>(segment.buckets().first) | segment.log2;
  }
  static Segment* segment_at(Bucket* first) noexcept {
    return reinterpret_cast<Segment*>(reinterpret_cast<char*>(first) - sizeof(Segment));
  }
  static DirectoryNode* node_of(std::uintptr_t word) noexcept {
    return reinterpret_cast<DirectoryNode*>(word & ~kLow);
  }
  /// Of any size of buckets: bits that neither choose the segment nor are in the tag.
  static std::size_t home(std::uint64_t hash) noexcept {
    return static_cast<std::size_t>(hash >> 10);
  }
  static std::uint64_t bit_of(unsigned depth) noexcept { return std::uint64_t{1} << (63 - depth); }

  [[nodiscard, gnu::always_inline]] Buckets segment_of(std::uint64_t hash) const noexcept {
    unsigned shift = root_shift_;
    std::uintptr_t word = root_[hash >> shift].load(std::memory_order_acquire);
    while ((word & kLow) == kNode) [[unlikely]] {
      shift -= DirectoryNode::kBits;
      const std::size_t index = (hash >> shift) & (node_of(word)->slots.size() - 1);
      word = node_of(word)->slots[index].load(std::memory_order_acquire);
    }
    return {reinterpret_cast<Bucket*>(word & ~kLow), static_cast<unsigned>(word & kLow)};
  }

  [[nodiscard]] Replacement plan_for_insert(const Segment& segment) const noexcept;
  [[nodiscard]] Replacement plan_for_erase(const Segment& segment,
                                           std::uint64_t hash) const noexcept;
  [[nodiscard]] std::size_t count_upper_half(const Segment& segment) const noexcept;
  void add(Segment& segment, const Record* record) const noexcept;
  Answer change(const Write& write, std::uint64_t hash, Segment& segment, Spare& spare) noexcept;
  Answer make_smaller(std::uint64_t hash, Segment& segment, Spare& spare) noexcept;
  static std::size_t drop(Segment& segment, std::optional<std::uint64_t>* position);
  bool gather(const Segment& segment, std::optional<std::uint64_t>* position,
              std::vector<const Record*>* out) const noexcept;
  Answer insert(const Record* record, std::uint64_t hash, Segment& segment, Spare& spare) noexcept;
  Answer merge(Segment& segment, std::uint64_t hash, Spare& spare) noexcept;
  void move(Segment& from, const Spare& spare) const noexcept;
  void publish_all(Segment& segment, std::uint64_t hash, Spare& spare) noexcept;
  void publish(const Segment& segment, std::uint64_t prefix, Spare& spare) noexcept;
  /// The slots that lead to the one segment of that depth and prefix.
  [[nodiscard]] std::span<Slot> slots_for(std::uint64_t prefix, unsigned depth) const noexcept;
  static void retire_with_records(Segment& segment);

  const unsigned root_shift_;
  const Placement placement_;
  const std::unique_ptr<Slot[]> root_;
  const Locks locks_;
  const unsigned depth_min_;
  const unsigned depth_max_;
  std::atomic<std::size_t> bytes_{0};
};

inline void SplitTable::prefetch_bucket(const Key& key) const noexcept {
  const std::uint64_t hash = placement_(key);
  segment_of(hash).prefetch_bucket(home(hash));
}

inline void SplitTable::prefetch_record(const Key& key) const noexcept {
  const std::uint64_t hash = placement_(key);
  segment_of(hash).prefetch_record(home(hash), hash);
}

}  // namespace podkeeper::cmap
