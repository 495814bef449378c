#include "pkg/cmap/inspect.h"

#include <array>
#include <cstdio>

namespace podkeeper::cmap {
namespace {

void append_hex(std::string& text, std::uint8_t byte) {
  std::array<char, 3> digits{};
  std::snprintf(digits.data(), digits.size(), "%02x", byte);
  text += digits.data();
}

}  // namespace

std::string to_text(const ProbeChain& chain) {
  if (chain.tables == 0) return "no probe chain by the hash alone";
  std::string text = "shard " + std::to_string(chain.home.shard) + " of " +
                     std::to_string(chain.tables) + ", home " + std::to_string(chain.home.bucket) +
                     " of " + std::to_string(chain.buckets) + ", " +
                     (chain.found ? "found" : "absent") + ":";
  for (const ProbedBucket& bucket : chain.probed) {
    text += (bucket.dirty ? " dirty [" : " [") + std::to_string(bucket.index) + "] overflow ";
    append_hex(text, bucket.overflow);
    text += ":";
    for (const ProbedBucket::Slot& slot : bucket.slots) {
      text += " ";
      append_hex(text, slot.tag);
      if (slot.matches) text += "*";
      text += " " + slot.key;
    }
  }
  if (chain.cut) text += " ...";
  return text;
}

TableCensus& TableCensus::operator+=(const TableCensus& other) noexcept {
  entries += other.entries;
  buckets += other.buckets;
  tombstones += other.tombstones;
  bytes += other.bytes;
  for (std::size_t i = 0; i < buckets_by_fill.size(); ++i) {
    buckets_by_fill[i] += other.buckets_by_fill[i];
  }
  for (std::size_t i = 0; i < entries_by_probe.size(); ++i) {
    entries_by_probe[i] += other.entries_by_probe[i];
  }
  return *this;
}

}  // namespace podkeeper::cmap
