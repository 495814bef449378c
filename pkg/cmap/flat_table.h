#pragma once

#include "pkg/base/ref.h"
#include "pkg/cmap/bucket.h"
#include "pkg/cmap/inspect.h"
#include "pkg/cmap/record.h"
#include "pkg/cmap/write_flag.h"

#include <atomic>
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
/// The home bucket is taken from the top bits of the hash; why a reader needs no lock is told at
/// Buckets. A change of size fills a new storage, publishes it by one word and leaves the old as it
/// was for the readers still in it. Tombstones are the overflow bits that outlive their reason:
/// they are counted, and a storage with too many is rebuilt in the same size.
///
/// Nothing is allocated or freed here while the owner's lock is held: apply() asks for storage and
/// gives the old back. Load is kept within 1/8..4/5 of the slots; while a table only grows it
/// is 11..23 B an entry.
class FlatTable {
 public:
  using Bucket = cmap::Bucket;
  static constexpr std::size_t kSlots = Bucket::kSlots;
  static constexpr std::size_t kBucketsMax = std::size_t{1}
                                             << 28;  ///< 1.5 G entries; beyond, put() panics

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
  using Spare = Storage;
  static Storage make_spare(const Answer& answer) { return Storage(answer.buckets); }

  explicit FlatTable(Hash hash = Hash::kXXH3);
  /// Retires the records and the storage.
  ~FlatTable();
  FlatTable(const FlatTable&) = delete;
  FlatTable& operator=(const FlatTable&) = delete;

  /// Any thread, under an Epoch::Guard or the owner's lock. Expected O(1).
  [[nodiscard]] const Record* find(const Key& key) const noexcept;

  /// The two cache misses of a find() of `key`, started without waiting for them: first the bucket,
  /// then, once that has come, the record. As find() otherwise.
  void prefetch_bucket(const Key& key) const noexcept;
  void prefetch_record(const Key& key) const noexcept;

  /// The writer only. On kDone the table owns one count of the record. `spare` is used when its
  /// size is the one needed, and holds the old storage afterwards. O(1), and O(entries) when the
  /// size changes.
  [[nodiscard]] Answer apply(const Write& write, Storage& spare) {
    return flag_.write([&] { return change(write, spare); });
  }

  /// Collects the records of one stretch of the hash range, beginning at `*position`, as of one
  /// moment, and moves
  /// `*position` to the next stretch; empty after the last. A key's stretch depends on its hash
  /// alone, so a walk sees each key once even if the table changes its size between two calls.
  /// Under the owner's lock. False, with `out` empty, when `out` has not the capacity: it never
  /// allocates.
  [[nodiscard]] bool collect(std::optional<std::uint64_t>* position,
                             std::vector<const Record*>* out) const {
    return flag_.read([&] { return gather(position, out); });
  }

  /// collect() beside a writer: any thread, under an Epoch::Guard. A key that nobody writes
  /// meanwhile is collected as by collect(); another may be missed, or come twice.
  [[nodiscard]] bool collect_settled(std::optional<std::uint64_t>* position,
                                     std::vector<const Record*>* out) const noexcept {
    return gather(position, out);
  }

  /// Drops the records of one stretch of the table, which nobody else uses any more, and moves
  /// `*position` as collect() does; gives their number. Unlike erases from one end on, which make
  /// what is left smaller and smaller until it is one long chain, it takes O(slots of the stretch).
  std::size_t clear(std::optional<std::uint64_t>* position);

  /// The least number of buckets that holds so many entries without growing.
  static std::size_t buckets_holding(std::size_t entries) noexcept;
  /// The writer only. Makes the table no smaller than `spare`, now and until the next call: moves
  /// what it holds there if that is larger, and leaves the old storage in `spare`. O(entries).
  void reserve(Storage& spare) {
    flag_.write([&] { return make_room(spare); });
  }

  /// Guards apply() and collect(): they panic when the owner's lock did not.
  [[nodiscard]] WriteFlag& flag() noexcept { return flag_; }

  /// Any thread.
  [[nodiscard]] std::size_t size() const noexcept {
    return entries_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t bytes() const noexcept;

  /// For Observed; any thread, under an Epoch::Guard. The first is O(1), the last O(entries). A key
  /// without text has no chain where keys are placed by their text.
  [[nodiscard]] std::uint32_t home_bucket(const Key& key) const noexcept;
  void describe(const Key& key, ProbeChain& chain) const;
  void count(TableCensus& census) const;

  static constexpr std::size_t kStretchBuckets =
      64;  ///< how much one collect() walks, when nothing is displaced

 private:
  /// A storage in one word, so that readers get pointer and size together: buckets are aligned to
  /// 64 B, the low six bits hold log2 of their number.
  struct View : Buckets {
    [[nodiscard]] std::size_t home(std::uint64_t hash) const noexcept {
      return static_cast<std::size_t>((hash >> 1) >> (63 - log2));
    }
  };
  /// Buckets from `first` to before `end`, and the first hash that is at home beyond them: 0, which
  /// no stretch ends with, after the last.
  struct Stretch {
    std::size_t first;
    std::size_t end;
    std::uint64_t to;
  };
  static Stretch stretch_from(View table, std::uint64_t hash) noexcept;

  static View view_of(std::uintptr_t word) noexcept {
    constexpr std::uintptr_t kLow = alignof(Bucket) - 1;
    return {{reinterpret_cast<Bucket*>(word & ~kLow), static_cast<unsigned>(word & kLow)}};
  }

  [[nodiscard]] View view() const noexcept {
    return view_of(root_.load(std::memory_order_acquire));
  }
  [[nodiscard]] std::size_t tombstones() const noexcept {
    return tombstones_.load(std::memory_order_relaxed);
  }
  Answer change(const Write& write, Storage& spare) noexcept;
  bool make_room(Storage& spare) noexcept;
  bool gather(std::optional<std::uint64_t>* position,
              std::vector<const Record*>* out) const noexcept;
  [[nodiscard]] std::size_t buckets_for(const Write& write, bool present) const noexcept;
  void place(View view, const Record* record) const noexcept;
  void move_to(Storage& spare) noexcept;
  void clear(const Buckets::Place& place) noexcept;

  std::atomic<std::uintptr_t> root_;
  const Placement placement_;
  std::atomic<std::size_t> entries_{0};
  /// Displaced entries erased since the storage was filled: each may leave bits behind. The
  /// writer's; others only look.
  std::atomic<std::size_t> tombstones_{0};
  std::size_t buckets_min_ = 1;  ///< an erase leaves at least so many; the writer's
  WriteFlag flag_;
};

inline void FlatTable::prefetch_bucket(const Key& key) const noexcept {
  const View table = view();
  table.prefetch_bucket(table.home(placement_(key)));
}

inline void FlatTable::prefetch_record(const Key& key) const noexcept {
  const View table = view();
  const std::uint64_t hash = placement_(key);
  table.prefetch_record(table.home(hash), hash);
}

inline const Record* FlatTable::find(const Key& key) const noexcept {
  const View table = view();
  const std::uint64_t hash = placement_(key);
  return table.find(table.home(hash), hash, key);
}

}  // namespace podkeeper::cmap
