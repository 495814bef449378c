#include "pkg/cmap/bucket.h"

namespace podkeeper::cmap {

Buckets::Place Buckets::locate(std::size_t home, std::uint64_t hash,
                               const Key& key) const noexcept {
  const std::size_t last = mask();
  for (std::size_t probe = 0; probe <= last; ++probe) {
    Bucket& bucket = first[(home + probe) & last];
    const std::uint64_t meta = bucket.meta.load(std::memory_order_acquire);
    for (std::uint64_t m = Bucket::matches(meta, hash); m != 0; m &= m - 1) {
      const auto slot = static_cast<std::size_t>(std::countr_zero(m)) / 8;
      const std::uintptr_t seen = bucket.slots[slot].load(std::memory_order_acquire);
      const Record* record = Bucket::record_of(seen);
      if (record == nullptr) continue;
      prefetch_key(*record);
      if (is(*record, key)) return {&bucket, slot, probe != 0, seen};
      ++extra_steps;
    }
    if ((meta & Bucket::overflow_bit(hash)) == 0) break;
    ++extra_steps;
  }
  return {};
}

void Buckets::place(std::size_t home, std::uint64_t hash, const Record* record) const noexcept {
  for (std::size_t index = home;; ++index) {
    Bucket& bucket = first[index & mask()];
    const std::uint64_t meta = bucket.meta.load(std::memory_order_relaxed);
    const std::uint64_t free = ~meta & Bucket::kPresent;
    if (free != 0) {
      // The record before its tag: who sees the tag sees the record.
      const auto byte = static_cast<unsigned>(std::countr_zero(free)) / 8;
      bucket.slots[byte].store(Bucket::slot_of(record), std::memory_order_release);
      bucket.meta.store(meta | (Bucket::tag(hash) << (8 * byte)), std::memory_order_release);
      return;
    }
    bucket.meta.store(meta | Bucket::overflow_bit(hash), std::memory_order_release);
    ++extra_steps;
  }
}

void Buckets::free_tag(const Place& place) noexcept {
  const std::uint64_t meta = place.bucket->meta.load(std::memory_order_relaxed);
  place.bucket->meta.store(meta & ~(std::uint64_t{0xff} << (8 * place.slot)),
                           std::memory_order_release);
}

}  // namespace podkeeper::cmap
