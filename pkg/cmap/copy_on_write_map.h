#pragma once

#include "pkg/base/epoch.h"
#include "pkg/base/lifetime.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/thread_annotations.h"
#include "pkg/cmap/change.h"
#include "pkg/cmap/counters.h"
#include "pkg/cmap/inspect.h"
#include "pkg/cmap/record.h"
#include "pkg/cmap/strategy.h"
#include "pkg/cmap/versioned_segment.h"
#include "pkg/cmap/write_flag.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace podkeeper::cmap {

/// Strategy CopyOnWrite, for whoever needs the whole map as of one moment while it goes on
/// changing. A directory, indexed by the top bits of the hash, of segments of up to 179 keys; each
/// segment bears the version of the map at which it was made. A snapshot copies the directory (8 B
/// per about 120 keys: 64 KiB at a million) and raises the version. A writer that comes to a
/// segment which a live snapshot shows puts a copy in its place first, once per segment and
/// snapshot; without snapshots it writes in place. Never is the whole map copied.
///
///  * find: wait-free; two cache misses and the directory's line.
///  * put, erase: writers take turns on one mutex. O(1); with a snapshot alive, once per segment
///    O(its 179 keys at most). Growth splits one segment in two, and doubles the directory by a
///    copy of it; shrinking is the reverse. Readers never wait for any of it.
///  * snapshot(): O(directory) under the writers' mutex. A snapshot is exactly the map at one
///    moment; reading it takes no lock, no guard and no turn.
///  * for_each() walks a snapshot of its own.
///  * Memory: 13..24 B an entry. What was replaced or erased stays until the last snapshot that
///    shows it goes: beside the map itself at most what the live snapshots show.
class CopyOnWriteMap {
  struct View;

 public:
  explicit CopyOnWriteMap(Hash hash = Hash::kXXH3);
  /// Retires the records and the tables. No snapshot may be left.
  ~CopyOnWriteMap();
  CopyOnWriteMap(const CopyOnWriteMap&) = delete;
  CopyOnWriteMap& operator=(const CopyOnWriteMap&) = delete;

  const Record* find(const base::Epoch::Guard&, const Key& key) const {
    const std::uint64_t hash = placement_(key);
    return VersionedSegment::find(word_of(hash), hash, key);
  }
  void find_many(const base::Epoch::Guard& guard, std::span<const Key> keys,
                 std::span<const Record*> found) const;
  bool put(base::Ref<const Record> record);
  bool erase(const Key& key);
  bool compare_and_put(const base::Epoch::Guard& guard, const Record* expected,
                       base::Ref<const Record> record);
  bool compare_and_erase(const base::Epoch::Guard& guard, const Key& key, const Record* expected);
  void for_each(const base::Epoch::Guard& guard,
                const std::function<void(const Record&)>& visit) const;
  /// A stretch is a segment, as it is then: no snapshot is taken.
  std::optional<std::uint64_t> for_each_from(const base::Epoch::Guard& guard,
                                             std::uint64_t position,
                                             const std::function<void(const Record&)>& visit) const;
  [[nodiscard]] std::size_t size() const { return entries_.load(std::memory_order_relaxed); }
  [[nodiscard]] MapStats stats() const;

  // See Observed. A shard is a segment, by the bits of the hash that choose it.
  [[nodiscard]] Position position_of(const Key& key) const;
  [[nodiscard]] ProbeChain describe(const base::Epoch::Guard& guard, const Key& key) const;
  [[nodiscard]] std::vector<TableCensus> census(const base::Epoch::Guard& guard) const;

  /// Guards writes, walks and the taking of snapshots: they panic when the writers' mutex did not.
  [[nodiscard]] WriteFlag& flag() noexcept { return flag_; }

  /// The map as of one moment. Its records are valid as long as it is. Any thread may read it; it
  /// must go before the map does, in any thread.
  class Snapshot {
   public:
    Snapshot(Snapshot&& other) noexcept;
    Snapshot& operator=(Snapshot&& other) noexcept;
    ~Snapshot();

    [[nodiscard]] const Record* find(const Key& key) const noexcept PK_LIFETIME_BOUND;
    void for_each(const std::function<void(const Record&)>& visit) const;
    [[nodiscard]] std::size_t size() const noexcept;

   private:
    friend class CopyOnWriteMap;
    explicit Snapshot(std::unique_ptr<View> view) noexcept;
    std::unique_ptr<View> view_;
  };
  [[nodiscard]] Snapshot snapshot() const PK_LIFETIME_BOUND;

  /// Segments copied because a snapshot showed them, since the map was made.
  [[nodiscard]] std::uint64_t copies() const noexcept {
    return copies_.load(std::memory_order_relaxed);
  }

 private:
  enum class Step { kDone, kRefused, kAgain, kNeedsSpare };
  struct Outcome {
    bool done = false;
    const Record* before = nullptr;  ///< what the key held, given to the reclaimer
    [[nodiscard]] bool was_new() const noexcept { return before == nullptr; }
  };
  struct Spare;
  struct Lookup;

  Outcome commit(const Change& change);
  Outcome commit_put(base::Ref<const Record> record, bool conditional, const Record* expected);
  void tidy_up(std::uint64_t hash, Spare& spare);

  Step apply(std::uint64_t hash, const Change& change, Spare& spare, const Record** before)
      PK_REQUIRES(mutex_);
  Step make_room(VersionedSegment& segment, std::uint64_t hash, Spare& spare) PK_REQUIRES(mutex_);
  /// One step towards a table no larger than it should be around `hash`; kDone: none is left.
  Step tidy(std::uint64_t hash, Spare& spare) PK_REQUIRES(mutex_);
  Step rewrite(VersionedSegment& segment, std::uint64_t hash, unsigned log2, Spare& spare)
      PK_REQUIRES(mutex_);
  Step split(VersionedSegment& segment, std::uint64_t hash, Spare& spare) PK_REQUIRES(mutex_);
  Step merge(VersionedSegment& segment, VersionedSegment& buddy, std::uint64_t hash, Spare& spare)
      PK_REQUIRES(mutex_);
  Step resize_directory(unsigned log2, Spare& spare) PK_REQUIRES(mutex_);

  [[nodiscard]] VersionedDirectory directory() const noexcept {
    return VersionedDirectory(root_.load(std::memory_order_acquire));
  }
  /// The word of the segment that serves the hash.
  [[nodiscard]] std::uintptr_t word_of(std::uint64_t hash) const noexcept {
    const VersionedDirectory all = directory();
    return all[all.index(hash)].load(std::memory_order_acquire);
  }
  [[nodiscard]] VersionedSegment& segment_of(std::uint64_t hash) const noexcept {
    return *VersionedSegment::of(word_of(hash));
  }
  /// Collects one stretch, as walk_stretch() asks for.
  bool collect(std::optional<std::uint64_t>* position, std::vector<const Record*>* out) const;
  [[nodiscard]] VersionedSegment* buddy_to_merge(const VersionedSegment& segment,
                                                 std::uint64_t hash) const PK_REQUIRES(mutex_);
  [[nodiscard]] bool is_untidy(std::uint64_t hash) const PK_REQUIRES(mutex_);
  [[nodiscard]] bool is_shown(const VersionedSegment& segment) const PK_REQUIRES(mutex_);
  /// Gives `to` the records of `from`: moved, or shared where a snapshot goes on showing `from`.
  template <class To>
  void hand_over(const VersionedSegment& from, To&& to) const PK_REQUIRES(mutex_);
  void publish(VersionedSegment::Ptr segment, std::uint64_t hash, unsigned depth)
      PK_REQUIRES(mutex_);
  /// What has a successor waits for its snapshots, or is left to be retired.
  void put_aside(VersionedSegment& segment, Spare& spare) PK_REQUIRES(mutex_);
  /// Makes the view a snapshot of now; false when the directory has not the size it has room for.
  bool take_into(View& view) const PK_REQUIRES(mutex_);
  void release(View& view) const;

  const Placement placement_;
  const Hash hash_;
  mutable Counters counters_;
  alignas(64) std::atomic<std::uintptr_t> root_;  ///< a VersionedDirectory
  alignas(64) mutable base::Mutex mutex_;         ///< writers' and snapshots'
  mutable WriteFlag flag_;                        ///< says when the mutex did not guard the map
  std::atomic<std::size_t> entries_{0};
  std::atomic<std::uint64_t> copies_{0};
  mutable std::atomic<std::size_t> bytes_{0};
  mutable std::uint64_t version_ PK_GUARDED_BY(mutex_) = 1;
  mutable View* newest_ PK_GUARDED_BY(mutex_) = nullptr;  ///< live snapshots, newest first
  std::array<std::uint32_t, 64> at_depth_ PK_GUARDED_BY(mutex_){};  ///< segments by depth
};
static_assert(ConcurrentMap<CopyOnWriteMap>);

}  // namespace podkeeper::cmap
