#include "pkg/cmap/split_table.h"

#include "pkg/base/epoch.h"
#include "pkg/base/panic.h"
#include "pkg/cmap/probes.h"

#include <algorithm>
#include <span>
#include <string>

namespace podkeeper::cmap {
namespace {

using Kind = Replacement::Kind;

// Shares of the slots, as fractions of 40 to stay in integers.
constexpr std::size_t kWhole = 40;
constexpr std::size_t kFullest = 32;      ///< 4/5: a put beyond it replaces the segment
constexpr std::size_t kAfterSplit = 24;   ///< 3/5 at most
constexpr std::size_t kAfterShrink = 20;  ///< 1/2 at most, so that a few puts do not undo it
constexpr std::size_t kMergeable = 10;    ///< 1/4: from here on an erase looks at the neighbour
constexpr std::size_t kEmptiest = 5;      ///< 1/8: an erase below it makes the segment smaller
constexpr std::size_t kTombstones = 5;    ///< 1/8: a put beyond it cleans the segment

constexpr std::size_t share(unsigned log2, std::size_t of_forty) {
  return (Bucket::kSlots << log2) * of_forty / kWhole;
}

/// The smallest size from `log2` on in which so many entries are at most that share.
std::uint8_t size_for(std::size_t entries, std::size_t of_forty, unsigned log2) {
  while (entries > share(log2, of_forty)) ++log2;
  return static_cast<std::uint8_t>(log2);
}

/// The hashes that agree with `hash` in `depth` bits: the least of them, and what is free to
/// differ.
constexpr std::uint64_t free_bits(unsigned depth) {
  return depth == 0 ? ~std::uint64_t{0} : ~std::uint64_t{0} >> depth;
}

/// The first hash that the segment, which serves `hash`, does not serve any more; none: there are
/// no larger ones.
std::optional<std::uint64_t> behind(const Segment& segment, std::uint64_t hash) {
  const std::uint64_t last = hash | free_bits(segment.depth);
  return last == ~std::uint64_t{0} ? std::nullopt : std::optional(last + 1);
}

std::uint32_t count(const Segment& segment) {
  return segment.entries.load(std::memory_order_relaxed);
}

/// Calls `visit(slot)` for each slot that is not empty.
template <class Visit>
void for_each_slot(const Segment& segment, Visit&& visit) {
  const Buckets buckets = segment.buckets();
  for (std::size_t i = 0; i <= buckets.mask(); ++i) {
    for (auto& slot : buckets.first[i].slots) {
      if (slot.load(std::memory_order_relaxed) != 0) visit(slot);
    }
  }
}

/// The records of a segment, all on their way into the cache at once.
void prefetch_records(const Segment& segment) {
  for_each_slot(segment, [](const auto& slot) {
    __builtin_prefetch(Bucket::record_of(slot.load(std::memory_order_relaxed)));
  });
}

}  // namespace

SplitTable::SplitTable(const Options& options)
    : root_shift_(64 - options.root_bits),
      placement_(options.hash),
      root_(std::make_unique<Slot[]>(std::size_t{1} << options.root_bits)),
      locks_(options.locks),
      depth_min_(options.depth),
      depth_max_(options.root_bits + 3 * DirectoryNode::kBits) {
  PK_CHECK(options.root_bits >= std::max(1u, options.depth) && options.root_bits <= kRootBitsMax,
           "a directory of 2^" + std::to_string(options.root_bits) + " slots");
  Spare none;
  for (std::size_t i = 0; i < std::size_t{1} << depth_min_; ++i) {
    const Segment* segment = Segment::make(depth_min_, 0);
    bytes_ += segment->bytes();
    publish(*segment, depth_min_ == 0 ? 0 : i << (64 - depth_min_), none);
  }
  bytes_ += sizeof(Slot) << options.root_bits;
}

SplitTable::~SplitTable() {
  std::vector<DirectoryNode*> nodes;
  const auto retire_all = [&nodes](std::span<const Slot> slots) {
    std::uintptr_t before = 0;
    for (const Slot& slot : slots) {
      const std::uintptr_t word = slot.load(std::memory_order_acquire);
      if (word == before) continue;  // a segment may have several slots, one after the other
      before = word;
      if ((word & kLow) == kNode) {
        nodes.push_back(node_of(word));
      } else {
        retire_with_records(*segment_at(reinterpret_cast<Bucket*>(word & ~kLow)));
      }
    }
  };
  retire_all({root_.get(), std::size_t{1} << (64 - root_shift_)});
  while (!nodes.empty()) {
    Spare spare;
    spare.old_node_.reset(nodes.back());
    nodes.pop_back();
    retire_all(spare.old_node_->slots);
    std::move(spare).retire();
  }
}

void SplitTable::retire_with_records(Segment& segment) {
  for_each_slot(segment, [](const auto& slot) {
    const Record* record = Bucket::record_of(slot.load(std::memory_order_acquire));
    const std::size_t bytes = record->byte_size();
    base::Epoch::retire(base::Ref<const Record>::adopt(record), bytes);
  });
  Spare spare;
  spare.old_[0].reset(&segment);
  std::move(spare).retire();
}

std::optional<SplitTable::Answer> SplitTable::replace(const Write& write,
                                                      std::uint64_t hash) const noexcept {
  if (write.record == nullptr) return std::nullopt;
  for (;;) {
    const Buckets::Place at = segment_of(hash).locate(home(hash), hash, write.key);
    if (at.bucket == nullptr || (at.seen & Bucket::kFrozen) != 0) return std::nullopt;
    if (write.conditional && at.seen != Bucket::slot_of(write.expected)) return Answer{};
    // The record in the slot is the key's, and under our guard its address names no other: so what
    // is exchanged here is the key's record, whatever happened in between.
    std::uintptr_t before = at.seen;
    if (at.word().compare_exchange_strong(before, Bucket::slot_of(write.record),
                                          std::memory_order_acq_rel, std::memory_order_relaxed)) {
      return Answer{.outcome = Outcome::kDone, .before = Bucket::record_of(before)};
    }
  }
}

SplitTable::Answer SplitTable::change(const Write& write, std::uint64_t hash, Segment& segment,
                                      Spare& spare) noexcept {
  const Buckets::Place at = segment.buckets().locate(home(hash), hash, write.key);
  if (at.bucket == nullptr) {
    if (write.record == nullptr || write.expected != nullptr) return {};
    return insert(write.record, hash, segment, spare);
  }
  // By read-modify-write even under the lock, since replace() needs none.
  const std::uintptr_t next = Bucket::slot_of(write.record);
  std::uintptr_t before = Bucket::slot_of(write.expected);
  if (!write.conditional) {
    before = at.word().exchange(next, std::memory_order_acq_rel);
  } else if (before == 0 ||
             !at.word().compare_exchange_strong(before, next, std::memory_order_acq_rel,
                                                std::memory_order_relaxed)) {
    return {};
  }
  auto answer = Answer{.outcome = Outcome::kDone, .before = Bucket::record_of(before)};
  if (write.record == nullptr) {
    Buckets::free_tag(at);
    segment.entries.store(count(segment) - 1, std::memory_order_relaxed);
    if (at.displaced) ++segment.tombstones;
    answer.plan = plan_for_erase(segment, hash);
    answer.depth = segment.depth;
  }
  return answer;
}

SplitTable::Answer SplitTable::insert(const Record* record, std::uint64_t hash, Segment& segment,
                                      Spare& spare) noexcept {
  const Replacement plan = plan_for_insert(segment);
  if (plan.kind == Kind::kNone) {
    add(segment, record);
    return {.outcome = Outcome::kDone};
  }
  if (!spare.serves(plan, segment.depth)) {
    return {.outcome = Outcome::kNeedsStorage, .plan = plan, .depth = segment.depth};
  }
  move(segment, spare);
  add((hash & bit_of(segment.depth)) != 0 && plan.kind == Kind::kSplit ? *spare.fresh_[1]
                                                                       : *spare.fresh_[0],
      record);
  publish_all(segment, hash, spare);
  return {.outcome = Outcome::kDone};
}

SplitTable::Answer SplitTable::make_smaller(std::uint64_t hash, Segment& segment,
                                            Spare& spare) noexcept {
  const Replacement plan = plan_for_erase(segment, hash);
  if (plan.kind == Kind::kNone) return {};
  if (!spare.serves(plan, segment.depth)) {
    return {.outcome = Outcome::kNeedsStorage, .plan = plan, .depth = segment.depth};
  }
  if (plan.kind == Kind::kMerge) return merge(segment, hash, spare);
  move(segment, spare);
  publish_all(segment, hash, spare);
  return {.outcome = Outcome::kDone};
}

SplitTable::Answer SplitTable::merge(Segment& segment, std::uint64_t hash,
                                     Spare& spare) noexcept PK_NO_THREAD_SAFETY_ANALYSIS {
  Segment& neighbour = segment_for(hash ^ bit_of(segment.depth - 1u));
  // Never waits for the second lock, so there is no order to keep: a later erase tries again.
  if (locks_ == Locks::kSegment && !neighbour.mutex.try_lock()) return {};
  const bool still = !neighbour.replaced && plan_for_erase(segment, hash) == spare.plan();
  if (still) {
    move(segment, spare);
    move(neighbour, spare);
    publish_all(segment, hash, spare);
    neighbour.replaced = true;
    spare.old_[1].reset(&neighbour);
    bytes_.fetch_sub(neighbour.bytes(), std::memory_order_relaxed);
  }
  if (locks_ == Locks::kSegment) neighbour.mutex.unlock();
  return {.outcome = still ? Outcome::kDone : Outcome::kRefused};
}

Replacement SplitTable::plan_for_insert(const Segment& segment) const noexcept {
  const std::size_t entries = count(segment);
  const unsigned log2 = segment.log2;
  if (entries + 1 <= share(log2, kFullest)) {
    if (segment.tombstones <= share(log2, kTombstones)) return {};
    return {.kind = Kind::kResize, .log2 = {segment.log2, 0}};
  }
  if (log2 >= kSegmentLog2 && segment.depth < depth_max_) {
    const std::size_t upper = count_upper_half(segment);
    const std::size_t lower = entries - upper;
    // Where almost all would stay together a split gains nothing.
    if (std::min(lower, upper) * 8 >= entries) {
      const unsigned below_root = segment.depth - (64 - root_shift_);
      return {.kind = Kind::kSplit,
              .log2 = {size_for(lower + 1, kAfterSplit, kSegmentLog2),
                       size_for(upper + 1, kAfterSplit, kSegmentLog2)},
              .node = segment.depth >= 64 - root_shift_ && below_root % DirectoryNode::kBits == 0};
    }
  }
  return {.kind = Kind::kResize, .log2 = {static_cast<std::uint8_t>(log2 + 1), 0}};
}

Replacement SplitTable::plan_for_erase(const Segment& segment, std::uint64_t hash) const noexcept {
  const std::size_t entries = count(segment);
  if (segment.depth > depth_min_ && entries <= share(kSegmentLog2, kMergeable)) {
    const Segment& neighbour = segment_for(hash ^ bit_of(segment.depth - 1u));
    const std::size_t both = entries + count(neighbour);
    if (neighbour.depth == segment.depth && both <= share(kSegmentLog2, kAfterShrink)) {
      return {.kind = Kind::kMerge, .log2 = {size_for(both, kAfterShrink, 0), 0}};
    }
  }
  if (segment.log2 > 0 && entries < share(segment.log2, kEmptiest)) {
    return {.kind = Kind::kResize, .log2 = {size_for(entries, kAfterShrink, 0), 0}};
  }
  return {};
}

std::size_t SplitTable::count_upper_half(const Segment& segment) const noexcept {
  prefetch_records(segment);
  std::size_t upper = 0;
  for_each_slot(segment, [&](const auto& slot) {
    const Record* record = Bucket::record_of(slot.load(std::memory_order_acquire));
    if ((placement_(record->key()) & bit_of(segment.depth)) != 0) ++upper;
  });
  return upper;
}

void SplitTable::add(Segment& segment, const Record* record) const noexcept {
  const std::uint64_t hash = placement_(record->key());
  segment.buckets().place(home(hash), hash, record);
  segment.entries.store(count(segment) + 1, std::memory_order_relaxed);
}

void SplitTable::move(Segment& from, const Spare& spare) const noexcept {
  prefetch_records(from);
  const bool split = spare.plan().kind == Kind::kSplit;
  for_each_slot(from, [&](auto& slot) {
    const std::uintptr_t word = locks_ == Locks::kSegment
                                    ? slot.fetch_or(Bucket::kFrozen, std::memory_order_acq_rel)
                                    : slot.load(std::memory_order_relaxed);
    const Record* record = Bucket::record_of(word);
    const bool upper = split && (placement_(record->key()) & bit_of(from.depth)) != 0;
    add(*spare.fresh_[upper ? 1 : 0], record);
  });
}

void SplitTable::publish_all(Segment& segment, std::uint64_t hash,
                             Spare& spare) noexcept PK_NO_THREAD_SAFETY_ANALYSIS {
  Segment& lower = *spare.fresh_[0].release();
  Segment* upper = spare.fresh_[1].release();
  // They come into the directory slot by slot. Who finds one by its first slot must not replace it
  // before its last slot shows it, or that one would show what is replaced for ever. Nobody waits
  // for these locks yet, nor holds another segment's while waiting for one.
  const bool locked = locks_ == Locks::kSegment;
  if (locked) lower.mutex.lock();
  if (locked && upper != nullptr) upper->mutex.lock();
  std::size_t bytes = lower.bytes();
  const std::uint64_t prefix = hash & ~free_bits(std::min(lower.depth, segment.depth));
  if (upper == nullptr) {
    publish(lower, prefix, spare);
  } else {
    bytes += upper->bytes();
    if (spare.node_ == nullptr) {
      publish(lower, prefix, spare);
      publish(*upper, prefix | bit_of(segment.depth), spare);
    } else {
      auto& slots = spare.node_->slots;
      for (std::size_t i = 0; i < slots.size(); ++i) {
        slots[i].store(word_of(i < slots.size() / 2 ? lower : *upper), std::memory_order_relaxed);
      }
      bytes += sizeof(DirectoryNode);
      slots_for(prefix, segment.depth)
          .front()
          .store(reinterpret_cast<std::uintptr_t>(spare.node_.release()) | kNode,
                 std::memory_order_release);
    }
  }
  if (spare.old_node_ != nullptr) bytes -= sizeof(DirectoryNode);
  const auto buckets = [](const Segment* s) { return s == nullptr ? 0 : s->buckets().mask() + 1; };
  probes::grew("segment", buckets(&segment), buckets(&lower) + buckets(upper),
               count(lower) + (upper == nullptr ? 0 : count(*upper)));
  bytes_.fetch_add(bytes - segment.bytes(), std::memory_order_relaxed);
  if (locked && upper != nullptr) upper->mutex.unlock();
  if (locked) lower.mutex.unlock();
  segment.replaced = true;
  spare.old_[0].reset(&segment);
  spare.plan_ = {};
}

void SplitTable::publish(const Segment& segment, std::uint64_t prefix, Spare& spare) noexcept {
  for (Slot& slot : slots_for(prefix, segment.depth)) {
    const std::uintptr_t before = slot.load(std::memory_order_relaxed);
    slot.store(word_of(segment), std::memory_order_release);
    // Two segments of a node's first level became one: the node has only that left.
    if ((before & kLow) == kNode) spare.old_node_.reset(node_of(before));
  }
}

std::span<SplitTable::Slot> SplitTable::slots_for(std::uint64_t prefix,
                                                  unsigned depth) const noexcept {
  unsigned shift = root_shift_;
  Slot* slots = root_.get();
  std::size_t index = prefix >> shift;
  while (depth > 64 - shift) {
    DirectoryNode* node = node_of(slots[index].load(std::memory_order_acquire));
    shift -= DirectoryNode::kBits;
    slots = node->slots.data();
    index = (prefix >> shift) & (node->slots.size() - 1);
  }
  return {slots + index, std::size_t{1} << (64 - shift - depth)};
}

bool SplitTable::gather(const Segment& segment, std::optional<std::uint64_t>* position,
                        std::vector<const Record*>* out) const noexcept {
  out->clear();
  if (out->capacity() < count(segment)) return false;
  const std::uint64_t from = position->value();
  const bool whole = (from & free_bits(segment.depth)) == 0;
  for_each_slot(segment, [&](const auto& slot) {
    const Record* record = Bucket::record_of(slot.load(std::memory_order_acquire));
    if (whole || placement_(record->key()) >= from) out->push_back(record);
  });
  *position = behind(segment, from);
  return true;
}

std::size_t SplitTable::drop(Segment& segment, std::optional<std::uint64_t>* position) {
  prefetch_records(segment);
  std::size_t dropped = 0;
  for_each_slot(segment, [&](auto& slot) {
    const std::uintptr_t word = slot.exchange(0, std::memory_order_acquire);
    const auto gone = base::Ref<const Record>::adopt(Bucket::record_of(word));
    ++dropped;
  });
  const Buckets buckets = segment.buckets();
  for (std::size_t i = 0; i <= buckets.mask(); ++i) {
    buckets.first[i].meta.store(0, std::memory_order_relaxed);
  }
  segment.entries.store(0, std::memory_order_relaxed);
  *position = behind(segment, position->value());
  return dropped;
}

std::size_t SplitTable::size() const noexcept {
  std::size_t sum = 0;
  std::uint64_t position = 0;
  do {
    const Segment& segment = segment_for(position);
    sum += count(segment);
    position = (position | free_bits(segment.depth)) + 1;
  } while (position != 0);
  return sum;
}

}  // namespace podkeeper::cmap
