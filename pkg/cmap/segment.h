#pragma once

#include "pkg/base/mutex.h"
#include "pkg/cmap/bucket.h"
#include "pkg/cmap/write_flag.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace podkeeper::cmap {

/// A part of a SplitTable: the head, on a cache line that readers of keys never load, and behind it
/// the buckets. Made and freed as one piece of memory; see Spare.
struct alignas(64) Segment {
  Segment(unsigned depth_, unsigned log2_) noexcept
      : depth(static_cast<std::uint8_t>(depth_)), log2(static_cast<std::uint8_t>(log2_)) {}

  base::Mutex mutex;  ///< the segment's writers, in a table whose segments have their own locks
  std::atomic<std::uint32_t> entries{0};
  /// Displaced entries erased since: each may leave bits behind. The writers'; others only look.
  std::atomic<std::uint32_t> tombstones{0};
  const std::uint8_t depth;  ///< how many top bits of the hash its keys have in common
  const std::uint8_t log2;   ///< of the number of buckets
  WriteFlag flag;            ///< says when the lock for this segment did not guard it
  bool replaced = false;     ///< frozen: others serve its keys now

  [[nodiscard]] Buckets buckets() const noexcept {
    return {reinterpret_cast<Bucket*>(const_cast<Segment*>(this) + 1), log2};
  }
  [[nodiscard]] std::size_t bytes() const noexcept {
    return sizeof(Segment) + (std::size_t{1} << log2) * sizeof(Bucket);
  }

  static Segment* make(unsigned depth, unsigned log2);
  static void destroy(const Segment* segment) noexcept;
};
static_assert(alignof(Segment) == 64 && sizeof(Segment) % 64 == 0,
              "a writer of one segment must not disturb another's readers or writers");

/// An inner part of a SplitTable's directory, where one of its slots alone is not fine enough.
struct alignas(64) DirectoryNode {
  static constexpr unsigned kBits = 6;  ///< of the hash that choose one of its slots
  std::array<std::atomic<std::uintptr_t>, std::size_t{1} << kBits> slots{};
};

/// How a segment is to be replaced.
struct Replacement {
  enum class Kind : std::uint8_t {
    kNone,
    kResize,  ///< by one of another size, or of the same size without tombstones
    kSplit,   ///< by two, each for half of its hashes
    kMerge,   ///< it and its neighbour by one
  };
  Kind kind = Kind::kNone;
  std::uint8_t log2[2] = {0, 0};  ///< of the buckets of what replaces it
  bool node = false;              ///< the directory needs a node for it
  friend bool operator==(const Replacement&, const Replacement&) = default;
};

/// What a replacement is made of, allocated before the lock; and what it left over, retired after.
class Spare {
 public:
  Spare() = default;
  /// `depth` is that of the segment to be replaced.
  Spare(const Replacement& plan, unsigned depth);
  Spare(Spare&& other) noexcept { swap(other); }
  Spare& operator=(Spare&& other) noexcept {
    swap(other);
    return *this;
  }

  [[nodiscard]] const Replacement& plan() const noexcept { return plan_; }
  /// Whether it was made for this.
  [[nodiscard]] bool serves(const Replacement& plan, unsigned depth) const noexcept {
    return plan_ == plan && depth_ == depth;
  }
  /// Gives what was replaced back once no reader can be in it; what was not used goes at once.
  void retire() &&;

 private:
  friend class SplitTable;
  struct Free {
    void operator()(Segment* segment) const noexcept { Segment::destroy(segment); }
  };
  using Owned = std::unique_ptr<Segment, Free>;
  void swap(Spare& other) noexcept {
    std::swap(plan_, other.plan_);
    std::swap(depth_, other.depth_);
    std::swap(fresh_, other.fresh_);
    std::swap(node_, other.node_);
    std::swap(old_, other.old_);
    std::swap(old_node_, other.old_node_);
  }

  Replacement plan_;
  unsigned depth_ = 0;  ///< of what it replaces
  std::array<Owned, 2> fresh_;
  std::unique_ptr<DirectoryNode> node_;
  std::array<Owned, 2> old_;
  std::unique_ptr<DirectoryNode> old_node_;
};

}  // namespace podkeeper::cmap
