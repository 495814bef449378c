#include "pkg/cmap/inspect_buckets.h"

#include "pkg/cmap/audit.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace podkeeper::cmap {

static_assert(TableCensus::kSlots == Bucket::kSlots);

void describe_buckets(const Buckets& buckets, std::size_t home, std::uint64_t hash, const Key& key,
                      ProbeChain& chain, RecordOf record_of) {
  const std::size_t last = buckets.mask();
  chain.home.bucket = static_cast<std::uint32_t>(home);
  chain.buckets = last + 1;
  for (std::size_t probe = 0; probe <= last; ++probe) {
    if (probe == ProbeChain::kBucketsMax) {
      chain.cut = true;
      return;
    }
    const std::size_t index = (home + probe) & last;
    const Bucket& bucket = buckets.first[index];
    const std::uint64_t meta = bucket.meta.load(std::memory_order_acquire);
    ProbedBucket seen{.index = static_cast<std::uint32_t>(index),
                      .overflow = static_cast<std::uint8_t>(meta >> 56)};
    for (std::size_t slot = 0; slot < Bucket::kSlots; ++slot) {
      const Record* record = record_of(bucket.slots[slot].load(std::memory_order_acquire));
      if (record == nullptr) continue;
      const auto tag = static_cast<std::uint8_t>(meta >> (8 * slot));
      seen.slots.push_back({.tag = tag,
                            .hash = record->hash(),
                            .key = shorten_key(record->key_text()),
                            .matches = tag == Bucket::tag(hash)});
      chain.found = chain.found || (record->hash() == key.hash &&
                                    (key.text.empty() || record->key_text() == key.text));
    }
    chain.probed.push_back(std::move(seen));
    if ((meta & Bucket::overflow_bit(hash)) == 0) return;
  }
}

void count_buckets(const Buckets& buckets,
                   const std::function<std::size_t(const Key& key)>& home_of, TableCensus& census,
                   RecordOf record_of) {
  const std::size_t last = buckets.mask();
  census.buckets += last + 1;
  census.bytes += (last + 1) * sizeof(Bucket);
  for (std::size_t index = 0; index <= last; ++index) {
    std::size_t fill = 0;
    for (const auto& slot : buckets.first[index].slots) {
      const Record* record = record_of(slot.load(std::memory_order_acquire));
      if (record == nullptr) continue;
      ++fill;
      const std::size_t probes = (index - home_of(record->key())) & last;
      ++census.entries_by_probe[std::min(probes, TableCensus::kProbesMax - 1)];
    }
    census.entries += fill;
    ++census.buckets_by_fill[fill];
  }
}

}  // namespace podkeeper::cmap
