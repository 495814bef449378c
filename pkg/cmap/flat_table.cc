#include "pkg/cmap/flat_table.h"

#include "pkg/base/epoch.h"
#include "pkg/base/panic.h"
#include "pkg/cmap/probes.h"

#include <algorithm>
#include <memory>
#include <new>
#include <string>
#include <utility>

namespace podkeeper::cmap {
namespace {

// Shares of the slots, as fractions of 40 to stay in integers.
constexpr std::size_t kWhole = 40;
constexpr std::size_t kFullest = 32;  ///< 4/5: a put beyond it doubles the table
constexpr std::size_t kEmptiest = 5;  ///< 1/8: an erase below it shrinks the table
constexpr std::size_t kAfterShrink =
    20;                                 ///< 1/2 at most, so that a few puts do not grow it at once
constexpr std::size_t kTombstones = 5;  ///< 1/8: a put beyond it rebuilds the table

constexpr std::size_t share(std::size_t buckets, std::size_t of_forty) {
  return buckets * FlatTable::kSlots * of_forty / kWhole;
}

/// Buckets between the one whose records are asked for and the one whose are looked at: about a
/// core's line fill buffers full of records.
constexpr std::size_t kBucketsAhead = 2;

void prefetch_records(const Bucket& bucket) {
  for (const auto& slot : bucket.slots) {
    __builtin_prefetch(Bucket::record_of(slot.load(std::memory_order_relaxed)));
  }
}

}  // namespace

FlatTable::Storage::Storage(std::size_t buckets) {
  PK_CHECK(std::has_single_bit(buckets) && buckets <= kBucketsMax,
           "a table of " + std::to_string(buckets) + " buckets: needs a power of two up to " +
               std::to_string(kBucketsMax));
  auto* memory = static_cast<Bucket*>(
      ::operator new(buckets * sizeof(Bucket), std::align_val_t{alignof(Bucket)}));
  std::uninitialized_value_construct_n(memory, buckets);
  word_ = reinterpret_cast<std::uintptr_t>(memory) |
          static_cast<std::uintptr_t>(std::countr_zero(buckets));
}

FlatTable::Storage::~Storage() {
  if (word_ == 0) return;
  ::operator delete(view_of(word_).first, std::align_val_t{alignof(Bucket)});
}

std::size_t FlatTable::Storage::buckets() const noexcept {
  return word_ == 0 ? 0 : std::size_t{1} << view_of(word_).log2;
}

void FlatTable::Storage::retire() && {
  if (word_ == 0) return;
  const std::size_t bytes = buckets() * sizeof(Bucket);
  const View view = view_of(release());
  base::Epoch::retire(
      view.first,
      [](const void* memory) {
        ::operator delete(const_cast<void*>(memory), std::align_val_t{alignof(Bucket)});
      },
      bytes);
}

FlatTable::FlatTable(Hash hash) : root_(Storage(1).release()), placement_(hash) {}

FlatTable::~FlatTable() {
  Storage storage;
  storage.word_ = root_.load(std::memory_order_acquire);
  const View all = view_of(storage.word_);
  for (std::size_t i = 0; i <= all.mask(); ++i) {
    for (const auto& slot : all.first[i].slots) {
      const Record* record = Bucket::record_of(slot.load(std::memory_order_acquire));
      if (record == nullptr) continue;
      const std::size_t bytes = record->byte_size();
      base::Epoch::retire(base::Ref<const Record>::adopt(record), bytes);
    }
  }
  std::move(storage).retire();
}

std::size_t FlatTable::bytes() const noexcept { return (view().mask() + 1) * sizeof(Bucket); }

std::size_t FlatTable::buckets_for(const Write& write, bool present) const noexcept {
  const std::size_t buckets = view().mask() + 1;
  const std::size_t entries = size();
  if (write.record != nullptr && !present) {
    if (entries + 1 > share(buckets, kFullest)) return buckets * 2;
    if (tombstones() > share(buckets, kTombstones)) return buckets;
  } else if (write.record == nullptr && buckets > buckets_min_ &&
             entries - 1 < share(buckets, kEmptiest)) {
    std::size_t fewer = buckets / 2;
    while (fewer > buckets_min_ && entries <= share(fewer / 2, kAfterShrink)) fewer /= 2;
    return fewer;
  }
  return 0;
}

std::size_t FlatTable::buckets_holding(std::size_t entries) noexcept {
  std::size_t buckets = 1;
  while (entries > share(buckets, kFullest)) buckets *= 2;
  return buckets;
}

bool FlatTable::make_room(Storage& spare) noexcept {
  buckets_min_ = std::max<std::size_t>(spare.buckets(), 1);
  const bool larger = buckets_min_ > view().mask() + 1;
  if (larger) move_to(spare);
  return larger;
}

FlatTable::Answer FlatTable::change(const Write& write, Storage& spare) noexcept {
  const std::uint64_t hash = placement_(write.key);
  const auto locate = [&](View table) { return table.locate(table.home(hash), hash, write.key); };
  Buckets::Place at = locate(view());
  const bool present = at.bucket != nullptr;
  const Record* before =
      present ? Bucket::record_of(at.word().load(std::memory_order_relaxed)) : nullptr;
  if (write.conditional && before != write.expected) return {.outcome = Outcome::kRefused};
  if (write.record == nullptr && !present) return {.outcome = Outcome::kRefused};

  if (const std::size_t buckets = buckets_for(write, present); buckets != 0) {
    if (spare.buckets() != buckets) {
      return {.outcome = Outcome::kNeedsStorage, .buckets = buckets};
    }
    move_to(spare);
    if (present) at = locate(view());
  }

  if (write.record == nullptr) {
    clear(at);
  } else if (present) {
    at.word().store(Bucket::slot_of(write.record), std::memory_order_release);
  } else {
    place(view(), write.record);
    entries_.store(size() + 1, std::memory_order_relaxed);
  }
  return {.outcome = Outcome::kDone, .before = before};
}

void FlatTable::place(View view, const Record* record) const noexcept {
  const std::uint64_t hash = placement_(record->key());
  view.Buckets::place(view.home(hash), hash, record);
}

void FlatTable::clear(const Buckets::Place& place) noexcept {
  place.word().store(0, std::memory_order_release);
  Buckets::free_tag(place);
  entries_.store(size() - 1, std::memory_order_relaxed);
  if (place.displaced) tombstones_.store(tombstones() + 1, std::memory_order_relaxed);
}

void FlatTable::move_to(Storage& spare) noexcept {
  const View from = view();
  const View to = view_of(spare.word_);
  for (std::size_t i = 0; i <= from.mask(); ++i) {
    prefetch_records(from.first[(i + kBucketsAhead) & from.mask()]);
    for (const auto& slot : from.first[i].slots) {
      const Record* record = Bucket::record_of(slot.load(std::memory_order_relaxed));
      if (record != nullptr) place(to, record);
    }
  }
  tombstones_.store(0, std::memory_order_relaxed);
  probes::grew("flat", from.mask() + 1, to.mask() + 1, size());
  spare.word_ = root_.exchange(spare.word_, std::memory_order_acq_rel);
}

FlatTable::Stretch FlatTable::stretch_from(View table, std::uint64_t hash) noexcept {
  const std::size_t first = table.home(hash);
  const std::size_t end = std::min(first + kStretchBuckets, table.mask() + 1);
  const std::uint64_t to =
      end > table.mask() ? 0 : (static_cast<std::uint64_t>(end) << (63 - table.log2)) << 1;
  return {.first = first, .end = end, .to = to};
}

std::size_t FlatTable::clear(std::optional<std::uint64_t>* position) {
  return flag_.write([&] {
    const View table = view();
    const Stretch stretch = stretch_from(table, position->value());
    std::size_t dropped = 0;
    for (std::size_t i = stretch.first; i < stretch.end; ++i) {
      prefetch_records(table.first[(i + kBucketsAhead) & table.mask()]);
      for (auto& slot : table.first[i].slots) {
        const Record* record = Bucket::record_of(slot.exchange(0, std::memory_order_relaxed));
        if (record == nullptr) continue;
        const auto gone = base::Ref<const Record>::adopt(record);
        ++dropped;
      }
      table.first[i].meta.store(0, std::memory_order_relaxed);
    }
    entries_.store(size() - dropped, std::memory_order_relaxed);
    *position = stretch.to == 0 ? std::nullopt : std::optional(stretch.to);
    return dropped;
  });
}

bool FlatTable::gather(std::optional<std::uint64_t>* position,
                       std::vector<const Record*>* out) const noexcept {
  out->clear();
  const View table = view();
  const std::size_t mask = table.mask();
  const std::uint64_t from = position->value();
  const auto [first, end, to] = stretch_from(table, from);

  // Beyond its last bucket a stretch goes on for as long as keys may have passed the one before.
  bool more = true;
  for (std::size_t i = first; more && i - first <= mask; ++i) {
    const Bucket& bucket = table.first[i & mask];
    prefetch_records(table.first[(i + kBucketsAhead) & mask]);
    for (const auto& slot : bucket.slots) {
      const Record* record = Bucket::record_of(slot.load(std::memory_order_acquire));
      if (record == nullptr) continue;
      const std::uint64_t hash = placement_(record->key());
      if (hash < from || (to != 0 && hash >= to)) continue;
      if (out->size() == out->capacity()) {
        out->clear();
        return false;
      }
      out->push_back(record);
    }
    const bool passed = (bucket.meta.load(std::memory_order_relaxed) >> 56) != 0;
    more = i + 1 < end || passed;
  }
  *position = to == 0 ? std::nullopt : std::optional(to);
  return true;
}

}  // namespace podkeeper::cmap
