#include "pkg/cmap/sync_table.h"

#include "pkg/base/epoch.h"
#include "pkg/base/panic.h"
#include "pkg/base/ref.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <new>
#include <string>

namespace podkeeper::cmap {
namespace {

void free_buckets(const void* memory) {
  ::operator delete(const_cast<void*>(memory), std::align_val_t{alignof(Bucket)});
}

/// Buckets between the one whose records are asked for and the one that is moved: about a core's
/// line fill buffers full of records.
constexpr std::size_t kBucketsAhead = 2;

void prefetch_records(const Bucket& bucket) {
  for (const auto& slot : bucket.slots) {
    __builtin_prefetch(SyncWord::record(slot.load(std::memory_order_relaxed)));
  }
}

/// What a slot holds from the moment it is drained.
std::uintptr_t settled(std::uintptr_t word) {
  const bool is_record = SyncWord::record(word) != nullptr;
  return is_record ? word | SyncWord::kFrozen : SyncWord::kExpunged;
}

}  // namespace

SyncTable SyncTable::make(std::size_t buckets) {
  PK_CHECK(std::has_single_bit(buckets) && buckets <= kBucketsMax,
           "a table of " + std::to_string(buckets) + " buckets: needs a power of two up to " +
               std::to_string(kBucketsMax));
  auto* memory = static_cast<Bucket*>(
      ::operator new(buckets * sizeof(Bucket), std::align_val_t{alignof(Bucket)}));
  std::uninitialized_value_construct_n(memory, buckets);
  return SyncTable(reinterpret_cast<std::uintptr_t>(memory) |
                   static_cast<std::uintptr_t>(std::countr_zero(buckets)));
}

void SyncTable::free() noexcept {
  if (word_ != 0) free_buckets(view().first);
  word_ = 0;
}

void SyncTable::retire() const {
  if (word_ != 0) base::Epoch::retire(view().first, free_buckets, bytes());
}

std::size_t SyncTable::buckets() const noexcept { return word_ == 0 ? 0 : view().mask() + 1; }

std::size_t SyncTable::buckets_for(std::size_t keys) noexcept {
  std::size_t buckets = 1;
  while (capacity_of(buckets) < keys) buckets *= 2;
  return buckets;
}

SyncTable::Sharing SyncTable::share(std::uint64_t hash, const Placement& placement) const noexcept {
  if (word_ == 0) return Sharing::kNone;
  const View table = view();
  auto result = Sharing::kNone;
  const std::size_t last = table.mask();
  const std::size_t home = table.home(hash);
  for (std::size_t probe = 0; probe <= last; ++probe) {
    Bucket& bucket = table.first[(home + probe) & last];
    const std::uint64_t meta = bucket.meta.load(std::memory_order_relaxed);
    for (std::uint64_t m = Bucket::matches(meta, hash); m != 0; m &= m - 1) {
      auto& slot = bucket.slots[static_cast<std::size_t>(std::countr_zero(m)) / 8];
      std::uintptr_t word = slot.load(std::memory_order_acquire);
      if (word == SyncWord::erased(hash)) return Sharing::kChanged;
      const Record* record = SyncWord::record(word);
      if (record == nullptr || placement(record->key()) != hash) continue;
      result = Sharing::kMarked;
      if (SyncWord::is_shared(word)) continue;
      if (!slot.compare_exchange_strong(word, word | SyncWord::kShared,
                                        std::memory_order_acq_rel)) {
        return Sharing::kChanged;
      }
    }
    if ((meta & Bucket::overflow_bit(hash)) == 0) break;
  }
  return result;
}

void SyncTable::place(std::uint64_t hash, const Record* record, bool shared) const noexcept {
  const View table = view();
  const std::uintptr_t word =
      SyncWord::of(record) | (shared ? SyncWord::kShared : std::uintptr_t{0});
  for (std::size_t index = table.home(hash);; ++index) {
    Bucket& bucket = table.first[index & table.mask()];
    const std::uint64_t meta = bucket.meta.load(std::memory_order_relaxed);
    if (const std::uint64_t free = ~meta & Bucket::kPresent; free != 0) {
      // The record before its tag: who sees the tag sees the record.
      const auto slot = static_cast<unsigned>(std::countr_zero(free)) / 8;
      bucket.slots[slot].store(word, std::memory_order_release);
      bucket.meta.store(meta | (Bucket::tag(hash) << (8 * slot)), std::memory_order_release);
      return;
    }
    bucket.meta.store(meta | Bucket::overflow_bit(hash), std::memory_order_release);
    ++extra_steps;
  }
}

void SyncTable::prefetch_record(std::uint64_t hash) const noexcept {
  const View table = view();
  const Bucket& bucket = table.first[table.home(hash)];
  const std::uint64_t m = Bucket::matches(bucket.meta.load(std::memory_order_acquire), hash);
  if (m == 0) return;
  const auto& slot = bucket.slots[static_cast<std::size_t>(std::countr_zero(m)) / 8];
  const Record* record = SyncWord::record(slot.load(std::memory_order_relaxed));
  if (record == nullptr) return;
  __builtin_prefetch(record);
  __builtin_prefetch(reinterpret_cast<const char*>(record) + 64);
}

std::uint64_t SyncTable::stretch_end(std::uint64_t from) const noexcept {
  const unsigned fixed = kSkippedBits + std::max(view().log2, kStretchLog2) - kStretchLog2;
  return from | (~std::uint64_t{0} >> fixed);
}

bool SyncTable::collect(std::uint64_t from, std::uint64_t last, const Placement& placement,
                        std::vector<const Record*>* out) const noexcept {
  if (word_ == 0) return true;
  const View table = view();
  const std::size_t first = table.home(from);
  const std::size_t end = table.home(last);
  // Beyond its last bucket a stretch goes on for as long as keys may have passed the one before.
  bool more = true;
  for (std::size_t i = first; more && i - first <= table.mask(); ++i) {
    const Bucket& bucket = table.first[i & table.mask()];
    for (const auto& slot : bucket.slots) {
      const Record* record = SyncWord::record(slot.load(std::memory_order_acquire));
      if (record == nullptr) continue;
      const std::uint64_t hash = placement(record->key());
      if (hash < from || hash > last) continue;
      if (out->size() == out->capacity()) {
        out->clear();
        return false;
      }
      out->push_back(record);
    }
    more = i < end || (bucket.meta.load(std::memory_order_relaxed) >> 56) != 0;
  }
  return true;
}

std::size_t SyncTable::clear(std::uint64_t from, std::uint64_t last) const {
  if (word_ == 0) return 0;
  const View table = view();
  std::size_t dropped = 0;
  for (std::size_t i = table.home(from); i <= table.home(last); ++i) {
    Bucket& bucket = table.first[i];
    prefetch_records(table.first[(i + kBucketsAhead) & table.mask()]);
    for (auto& slot : bucket.slots) {
      const std::uintptr_t word = slot.exchange(SyncWord::kFree, std::memory_order_acquire);
      const Record* record = SyncWord::record(word);
      if (record == nullptr) continue;
      const auto gone = base::Ref<const Record>::adopt(record);
      ++dropped;
    }
    bucket.meta.store(0, std::memory_order_relaxed);
  }
  return dropped;
}

std::size_t SyncTable::expunge() const noexcept {
  std::size_t records = 0;
  const View all = view();
  for (std::size_t i = 0; word_ != 0 && i <= all.mask(); ++i) {
    for (auto& slot : all.first[i].slots) {
      std::uintptr_t word = slot.load(std::memory_order_acquire);
      while (SyncWord::is_erased(word) &&
             !slot.compare_exchange_weak(word, SyncWord::kExpunged, std::memory_order_acq_rel)) {
      }
      if (SyncWord::record(word) != nullptr) ++records;
    }
  }
  return records;
}

std::size_t SyncTable::drain(SyncTable to, const Placement& placement) const noexcept {
  std::size_t moved = 0;
  const View all = view();
  for (std::size_t i = 0; word_ != 0 && i <= all.mask(); ++i) {
    prefetch_records(all.first[(i + kBucketsAhead) & all.mask()]);
    for (auto& slot : all.first[i].slots) {
      std::uintptr_t word = slot.load(std::memory_order_acquire);
      if (word == SyncWord::kFree) continue;
      while (!slot.compare_exchange_weak(word, settled(word), std::memory_order_acq_rel)) {
      }
      const Record* record = SyncWord::record(word);
      if (record == nullptr) continue;
      const std::uint64_t hash = placement(record->key());
      to.place(hash, record, to.share(hash, placement) == Sharing::kMarked);
      ++moved;
    }
  }
  return moved;
}

}  // namespace podkeeper::cmap
