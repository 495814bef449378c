#pragma once

#include "pkg/state/record.h"

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace podkeeper::state {

/// What an index sorts by.
enum class IndexOrder {
  kKey,   ///< key_text: the order of LIST
  kNode,  ///< node name, then key_text
};

/// A place in an index. Both parts compare bytewise, as etcd compares the keys under /registry:
/// "a-b/x" comes before "a/x", since '-' is less than '/'. A namespace is therefore one contiguous
/// range, ["ns/", "ns0").
struct IndexKey {
  std::string_view group;  ///< the node's name in kNode, empty in kKey
  std::string_view text;
  friend auto operator<=>(const IndexKey&, const IndexKey&) = default;
};
IndexKey index_key(IndexOrder order, const Record& record) noexcept;

inline constexpr std::size_t kSegmentRecordsMax = 128;
inline constexpr std::size_t kChunkSegmentsMax = 64;

/// The immutable parts of an index: a directory of chunks, a chunk of segments, a segment of
/// records. Every level carries the first record and the count of what is below, so that seeking
/// touches one node a level.
struct IndexNode {
  virtual ~IndexNode() = default;
};
template <class Child>
struct IndexSlot {
  const Child* child = nullptr;
  const Record* first = nullptr;
  std::size_t records = 0;
};
struct Segment final : IndexNode {
  std::uint32_t count = 0;
  std::array<const Record*, kSegmentRecordsMax> records;
};
struct Chunk final : IndexNode {
  std::uint32_t count = 0;
  std::size_t records = 0;
  std::array<IndexSlot<Segment>, kChunkSegmentsMax> slots;
};
struct Directory final : IndexNode {
  std::size_t records = 0;
  std::vector<IndexSlot<Chunk>> slots;
};

/// One immutable version of an index, to be walked in order. Valid while the Epoch::Guard under
/// which it was loaded is held. A value of two words; any thread.
class IndexView {
 public:
  IndexView(const Directory* directory, IndexOrder order) noexcept
      : directory_(directory), order_(order) {}

  /// Walks forward from a place.
  class Cursor {
   public:
    /// Null behind the last record.
    [[nodiscard]] const Record* get() const noexcept {
      return segment_ == nullptr ? nullptr : segment_->records[position_];
    }
    void next() noexcept;

   private:
    friend class IndexView;
    const Directory* directory_ = nullptr;
    std::size_t chunk_ = 0;
    std::size_t slot_ = 0;
    const Segment* segment_ = nullptr;
    std::size_t position_ = 0;
  };

  /// At the first record that is not before `key`. O(log n).
  [[nodiscard]] Cursor seek(IndexKey key) const noexcept;
  /// The record with exactly this key, or null. O(log n).
  [[nodiscard]] const Record* find(IndexKey key) const noexcept;
  /// How many records come before `key`. O(log n + chunks + kChunkSegmentsMax).
  [[nodiscard]] std::size_t count_before(IndexKey key) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return directory_->records; }
  /// The index's own bytes, without the records. O(chunks).
  [[nodiscard]] std::size_t bytes() const noexcept;
  [[nodiscard]] IndexOrder order() const noexcept { return order_; }

 private:
  const Directory* directory_;
  IndexOrder order_;
};

/// Parts of an index that its newest version no longer uses; freed with this. Whoever published the
/// version before keeps it until no reader can hold that version.
struct IndexGarbage {
  std::vector<std::unique_ptr<const IndexNode>> nodes;
  std::size_t bytes = 0;
};

/// The writer's handle of a copy-on-write ordered index. A change copies one segment (at most 1
/// KB), one chunk (1.5 KB) and the directory (24 bytes for each ~3,000 records: 1.2 KB at 150,000,
/// 8 KB at 1,000,000), and shares the rest with the version before. Not thread-safe; the versions
/// it makes are. It does not own the records.
class OrderedIndex {
 public:
  explicit OrderedIndex(IndexOrder order);
  ~OrderedIndex();
  OrderedIndex(const OrderedIndex&) = delete;
  OrderedIndex& operator=(const OrderedIndex&) = delete;

  /// Makes these the whole content; `sorted` is in order and without duplicates. O(n).
  void build(std::span<const Record* const> sorted);
  /// Adds the record, or puts it in the place of the one with the same key.
  void put(const Record& record);
  /// False when there was no such record.
  bool erase(IndexKey key);

  [[nodiscard]] const Directory* directory() const noexcept { return directory_.get(); }
  [[nodiscard]] IndexView view() const noexcept { return {directory_.get(), order_}; }
  /// Moves what was replaced since the last call to `into`.
  void take_garbage(IndexGarbage& into);

 private:
  struct Path;
  [[nodiscard]] Path locate(IndexKey key) const noexcept;
  void splice(const Path& at, std::size_t gone, std::span<const Segment* const> fresh);
  void splice_chunks(std::size_t at, std::size_t gone,
                     std::span<const IndexSlot<Segment>> segments);
  void discard(const IndexNode* node, std::size_t bytes);
  void discard_all();

  IndexOrder order_;
  std::unique_ptr<const Directory> directory_;
  IndexGarbage garbage_;
};

}  // namespace podkeeper::state
