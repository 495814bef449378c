#include "pkg/cmap/copy_on_write_map.h"

#include "pkg/base/panic.h"
#include "pkg/cmap/copy_on_write_view.h"
#include "pkg/cmap/counted_lock.h"
#include "pkg/cmap/probes.h"

#include <utility>

namespace podkeeper::cmap {
namespace {

/// Two neighbours with so few keys together become one; a third of what would split it again.
constexpr std::uint32_t kMergeMax = 56;
/// The directory may have an entry per so many keys of the map, not more: keys that have many top
/// bits in common make their segment larger instead.
constexpr std::size_t kKeysPerEntryMin = 32;

unsigned log2_for(std::uint32_t entries) {
  unsigned log2 = VersionedSegment::kLog2Min;
  while (entries > (std::size_t{7} << log2) / 2) ++log2;
  return log2;
}

std::size_t buckets_of(const VersionedSegment& segment) { return std::size_t{1} << segment.log2; }

bool is_too_large(const VersionedSegment& segment) {
  return segment.log2 > VersionedSegment::kLog2Min && segment.entries < segment.slots() / 8;
}

}  // namespace

/// Memory for a change, made before the mutex is taken, and what the change left, retired after.
struct CopyOnWriteMap::Spare {
  Spare() = default;
  ~Spare() {
    if (directory) VersionedDirectory::free(directory.memory());
  }
  Spare(const Spare&) = delete;
  Spare& operator=(const Spare&) = delete;

  /// Whether there are so many segments of that size; if not, asks for them.
  bool has_segments(std::size_t count, unsigned log2) {
    wanted = count;
    wanted_log2 = log2;
    for (std::size_t i = 0; i < count; ++i) {
      if (!segments[i] || segments[i]->log2 != log2) return false;
    }
    return true;
  }
  bool has_directory(unsigned log2) {
    wanted = 0;
    wanted_log2 = log2;
    return directory && directory.log2() == log2;
  }
  /// Makes what was asked for. Outside the mutex.
  void provide() {
    for (std::size_t i = 0; i < wanted; ++i) {
      if (!segments[i] || segments[i]->log2 != wanted_log2) {
        segments[i] = VersionedSegment::make(wanted_log2);
      }
    }
    if (wanted != 0) return;
    if (directory) VersionedDirectory::free(directory.memory());
    directory = {};
    directory = VersionedDirectory::make(wanted_log2);
  }
  void leave(VersionedSegment& segment) {
    segment.next = left;
    left = &segment;
  }
  /// Outside the mutex, after each step.
  void retire_left() {
    while (left != nullptr) {
      VersionedSegment* one = std::exchange(left, left->next);
      base::Epoch::retire(one, VersionedSegment::free, one->bytes());
    }
    if (left_directory) {
      base::Epoch::retire(left_directory.memory(), VersionedDirectory::free,
                          left_directory.bytes());
      left_directory = {};
    }
  }

  std::array<VersionedSegment::Ptr, 2> segments;
  VersionedDirectory directory;
  std::size_t wanted = 0;  ///< segments; 0: a directory
  unsigned wanted_log2 = 0;
  bool untidy = false;
  VersionedSegment* left = nullptr;
  VersionedDirectory left_directory;
};

CopyOnWriteMap::CopyOnWriteMap(Hash hash)
    : placement_(hash), hash_(hash), root_(VersionedDirectory::make(0).word()) {
  VersionedSegment::Ptr first = VersionedSegment::make(VersionedSegment::kLog2Min);
  first->birth = version_;
  at_depth_[0] = 1;
  bytes_ = first->bytes() + directory().bytes();
  directory()[0].store(first.release()->word(), std::memory_order_release);
}

CopyOnWriteMap::~CopyOnWriteMap() {
  PK_CHECK(newest_ == nullptr, "a map goes that a snapshot still shows");
  const VersionedDirectory all = directory();
  VersionedDirectory::each(
      all.log2(), [all](std::size_t i) { return all[i].load(std::memory_order_acquire); },
      [](std::uintptr_t word) {
        VersionedSegment::each(word, [](const Record& record) {
          const std::size_t bytes = record.byte_size();
          base::Epoch::retire(base::Ref<const Record>::adopt(&record), bytes);
        });
        VersionedSegment* segment = VersionedSegment::of(word);
        base::Epoch::retire(segment, VersionedSegment::free, segment->bytes());
      });
  base::Epoch::retire(all.memory(), VersionedDirectory::free, all.bytes());
}

CopyOnWriteMap::Outcome CopyOnWriteMap::commit(const Change& change) {
  const std::uint64_t hash = placement_(change.key);
  // Asked for now: once it is in the map, another thread may replace and free it.
  std::size_t bytes = change.record == nullptr ? 0 : change.record->byte_size();
  Outcome outcome;
  Spare spare;
  for (Step step = Step::kAgain; step != Step::kDone;) {
    {
      CountedLock lock(mutex_, counters_);
      step = flag_.write([&]() PK_NO_THREAD_SAFETY_ANALYSIS {
        return apply(hash, change, spare, &outcome.before);
      });
    }
    spare.retire_left();
    if (step == Step::kRefused) return {};
    if (step == Step::kNeedsSpare) spare.provide();
  }
  outcome.done = true;
  if (outcome.before != nullptr) {
    const std::size_t gone = outcome.before->byte_size();
    base::Epoch::retire(base::Ref<const Record>::adopt(outcome.before), gone);
    bytes -= gone;
  }
  if (bytes != 0) counters_.add(Counters::kRecordBytes, bytes);
  if (spare.untidy) tidy_up(hash, spare);
  return outcome;
}

void CopyOnWriteMap::tidy_up(std::uint64_t hash, Spare& spare) {
  for (Step step = Step::kAgain; step != Step::kDone;) {
    {
      CountedLock lock(mutex_, counters_);
      step = flag_.write([&]() PK_NO_THREAD_SAFETY_ANALYSIS { return tidy(hash, spare); });
    }
    spare.retire_left();
    if (step == Step::kNeedsSpare) spare.provide();
  }
}

CopyOnWriteMap::Step CopyOnWriteMap::apply(std::uint64_t hash, const Change& change, Spare& spare,
                                           const Record** before) {
  VersionedSegment& segment = segment_of(hash);
  const Buckets::Place at = segment.locate(hash, change.key);
  const bool present = at.bucket != nullptr;
  *before = present ? Bucket::record_of(at.word().load(std::memory_order_relaxed)) : nullptr;
  if (!change.applies_to(*before)) return Step::kRefused;
  if (!present && !segment.has_room()) return make_room(segment, hash, spare);
  if (is_shown(segment)) return rewrite(segment, hash, segment.log2, spare);

  if (change.record == nullptr) {
    segment.erase(at);
    entries_.store(size() - 1, std::memory_order_relaxed);
    spare.untidy = is_untidy(hash);
  } else if (present) {
    at.word().store(Bucket::slot_of(change.record), std::memory_order_release);
  } else {
    segment.place(hash, change.record);
    entries_.store(size() + 1, std::memory_order_relaxed);
  }
  return Step::kDone;
}

CopyOnWriteMap::Step CopyOnWriteMap::make_room(VersionedSegment& segment, std::uint64_t hash,
                                               Spare& spare) {
  if (segment.entries + 1 <= segment.slots() * 4 / 5) {
    return rewrite(segment, hash, segment.log2, spare);  // too many tombstones
  }
  if ((kKeysPerEntryMin << segment.depth) > size()) {
    return rewrite(segment, hash, segment.log2 + 1, spare);
  }
  if (segment.depth == directory().log2()) return resize_directory(segment.depth + 1, spare);
  return split(segment, hash, spare);
}

VersionedSegment* CopyOnWriteMap::buddy_to_merge(const VersionedSegment& segment,
                                                 std::uint64_t hash) const {
  if (segment.depth == 0) return nullptr;
  VersionedSegment& buddy = segment_of(hash ^ (std::uint64_t{1} << (64 - segment.depth)));
  const bool fit = buddy.depth == segment.depth && buddy.entries + segment.entries <= kMergeMax;
  return fit ? &buddy : nullptr;
}

bool CopyOnWriteMap::is_untidy(std::uint64_t hash) const {
  const VersionedSegment& segment = segment_of(hash);
  return is_too_large(segment) || buddy_to_merge(segment, hash) != nullptr;
}

CopyOnWriteMap::Step CopyOnWriteMap::tidy(std::uint64_t hash, Spare& spare) {
  VersionedSegment& segment = segment_of(hash);
  if (is_too_large(segment)) return rewrite(segment, hash, log2_for(segment.entries), spare);
  if (VersionedSegment* buddy = buddy_to_merge(segment, hash))
    return merge(segment, *buddy, hash, spare);
  const unsigned log2 = directory().log2();
  if (log2 > 0 && at_depth_[log2] == 0) return resize_directory(log2 - 1, spare);
  return Step::kDone;
}

bool CopyOnWriteMap::is_shown(const VersionedSegment& segment) const {
  return newest_ != nullptr && newest_->version >= segment.birth;
}

template <class To>
void CopyOnWriteMap::hand_over(const VersionedSegment& from, To&& to) const {
  const bool shared = is_shown(from);
  // All records' cache misses at once.
  VersionedSegment::each(from.word(), [](const Record& record) { __builtin_prefetch(&record); });
  VersionedSegment::each(from.word(), [&](const Record& record) {
    if (shared) record.add_ref();
    const std::uint64_t hash = placement_(record.key());
    to(hash).place(hash, &record);
  });
}

void CopyOnWriteMap::publish(VersionedSegment::Ptr segment, std::uint64_t hash, unsigned depth) {
  const VersionedDirectory all = directory();
  const std::size_t count = std::size_t{1} << (all.log2() - depth);
  const std::size_t first = all.index(hash) & ~(count - 1);
  segment->depth = depth;
  segment->birth = version_;
  ++at_depth_[depth];
  bytes_ += segment->bytes();
  const std::uintptr_t word = segment.release()->word();
  for (std::size_t i = 0; i < count; ++i) all[first + i].store(word, std::memory_order_release);
}

void CopyOnWriteMap::put_aside(VersionedSegment& segment, Spare& spare) {
  --at_depth_[segment.depth];
  if (is_shown(segment)) {
    segment.owns_records = true;
    segment.next = std::exchange(newest_->waiting, &segment);
    copies_.fetch_add(1, std::memory_order_relaxed);
  } else {
    bytes_ -= segment.bytes();
    spare.leave(segment);
  }
}

CopyOnWriteMap::Step CopyOnWriteMap::rewrite(VersionedSegment& segment, std::uint64_t hash,
                                             unsigned log2, Spare& spare) {
  if (!spare.has_segments(1, log2)) return Step::kNeedsSpare;
  VersionedSegment::Ptr fresh = std::move(spare.segments[0]);
  hand_over(segment, [&fresh](std::uint64_t) -> VersionedSegment& { return *fresh; });
  probes::grew("segment", buckets_of(segment), buckets_of(*fresh), segment.entries);
  publish(std::move(fresh), hash, segment.depth);
  put_aside(segment, spare);
  return Step::kAgain;
}

CopyOnWriteMap::Step CopyOnWriteMap::split(VersionedSegment& segment, std::uint64_t hash,
                                           Spare& spare) {
  if (!spare.has_segments(2, segment.log2)) return Step::kNeedsSpare;
  const std::uint64_t bit = std::uint64_t{1} << (63 - segment.depth);
  hand_over(segment, [&](std::uint64_t each) -> VersionedSegment& {
    return *spare.segments[(each & bit) == 0 ? 0 : 1];
  });
  probes::grew("segment", buckets_of(segment), 2 * buckets_of(segment), segment.entries);
  publish(std::move(spare.segments[0]), hash & ~bit, segment.depth + 1);
  publish(std::move(spare.segments[1]), hash | bit, segment.depth + 1);
  put_aside(segment, spare);
  return Step::kAgain;
}

CopyOnWriteMap::Step CopyOnWriteMap::merge(VersionedSegment& segment, VersionedSegment& buddy,
                                           std::uint64_t hash, Spare& spare) {
  if (!spare.has_segments(1, VersionedSegment::kLog2Min)) return Step::kNeedsSpare;
  VersionedSegment::Ptr fresh = std::move(spare.segments[0]);
  const auto both = [&fresh](std::uint64_t) -> VersionedSegment& { return *fresh; };
  hand_over(segment, both);
  hand_over(buddy, both);
  probes::grew("segment", buckets_of(segment) + buckets_of(buddy), buckets_of(*fresh),
               std::size_t{segment.entries} + buddy.entries);
  publish(std::move(fresh), hash, segment.depth - 1);
  put_aside(segment, spare);
  put_aside(buddy, spare);
  return Step::kAgain;
}

CopyOnWriteMap::Step CopyOnWriteMap::resize_directory(unsigned log2, Spare& spare) {
  if (!spare.has_directory(log2)) return Step::kNeedsSpare;
  const VersionedDirectory from = directory();
  const VersionedDirectory to = std::exchange(spare.directory, {});
  for (std::size_t i = 0; i < to.size(); ++i) {
    const std::size_t source = log2 > from.log2() ? i / 2 : i * 2;
    to[i].store(from[source].load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
  probes::grew("directory", from.size(), to.size(), to.size());
  root_.store(to.word(), std::memory_order_release);
  bytes_ += to.bytes();
  bytes_ -= from.bytes();
  spare.left_directory = from;
  return Step::kAgain;
}

CopyOnWriteMap::Outcome CopyOnWriteMap::commit_put(base::Ref<const Record> record, bool conditional,
                                                   const Record* expected) {
  const Outcome outcome = commit({.key = record->key(),
                                  .record = record.get(),
                                  .conditional = conditional,
                                  .expected = expected});
  if (outcome.done) (void)record.release();
  return outcome;
}

bool CopyOnWriteMap::put(base::Ref<const Record> record) {
  return commit_put(std::move(record), false, nullptr).was_new();
}

bool CopyOnWriteMap::erase(const Key& key) { return commit({.key = key}).done; }

bool CopyOnWriteMap::compare_and_put(const base::Epoch::Guard&, const Record* expected,
                                     base::Ref<const Record> record) {
  return commit_put(std::move(record), true, expected).done;
}

bool CopyOnWriteMap::compare_and_erase(const base::Epoch::Guard&, const Key& key,
                                       const Record* expected) {
  return commit({.key = key, .conditional = true, .expected = expected}).done;
}

MapStats CopyOnWriteMap::stats() const {
  auto stats = MapStats{.strategy = Strategy::kCopyOnWrite,
                        .hash = hash_,
                        .entries = size(),
                        .table_bytes = bytes_.load(std::memory_order_relaxed)};
  counters_.report(stats);
  return stats;
}

}  // namespace podkeeper::cmap
