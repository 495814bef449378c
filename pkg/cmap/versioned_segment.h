#pragma once

#include "pkg/cmap/bucket.h"
#include "pkg/cmap/inspect.h"
#include "pkg/cmap/record.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace podkeeper::cmap {

/// One stretch of the hash range of a CopyOnWriteMap, in one block of memory: this head, a cache
/// line that only writers touch, and behind it the buckets. Readers reach the buckets by a word of
/// address and size, so that the head costs them no cache miss.
///
/// The home bucket is taken from bits 10 and up of the hash, those that neither the tag nor the
/// overflow class use and the directory does not reach: a key has the same home whatever the depth.
///
/// Everything but the buckets and what never changes is the writer's, under the map's mutex.
struct alignas(64) VersionedSegment {
  static constexpr unsigned kLog2Min = 5;   ///< 32 buckets, 2 KiB
  static constexpr unsigned kLog2Max = 28;  ///< of keys that all have one hash; beyond, it panics

  std::uint64_t birth = 0;           ///< the map's version when it was made
  VersionedSegment* next = nullptr;  ///< of those that wait with it
  std::uint32_t entries = 0;
  /// Displaced entries erased: each may leave overflow bits behind. Others may look.
  std::atomic<std::uint32_t> tombstones{0};
  unsigned depth = 0;         ///< top bits of the hash that its keys have in common
  unsigned log2 = kLog2Min;   ///< of its buckets
  bool owns_records = false;  ///< whether it gives its records' counts back when it is freed

  struct Free {
    void operator()(VersionedSegment* segment) const noexcept { free(segment); }
  };
  using Ptr = std::unique_ptr<VersionedSegment, Free>;
  static Ptr make(unsigned log2);
  static void free(const void* segment) noexcept;

  [[nodiscard]] std::size_t slots() const noexcept { return (std::size_t{1} << log2) * 7; }
  [[nodiscard]] std::size_t bytes() const noexcept {
    return sizeof(VersionedSegment) + (sizeof(Bucket) << log2);
  }
  [[nodiscard]] bool has_room() const noexcept {
    return entries + 1 <= slots() * 4 / 5 &&
           tombstones.load(std::memory_order_relaxed) <= slots() / 8;
  }
  [[nodiscard]] std::uintptr_t word() const noexcept {
    return reinterpret_cast<std::uintptr_t>(this) | log2;
  }
  static VersionedSegment* of(std::uintptr_t word) noexcept {
    return reinterpret_cast<VersionedSegment*>(word & ~std::uintptr_t{63});
  }
  static Buckets buckets(std::uintptr_t word) noexcept {
    return {reinterpret_cast<Bucket*>((word & ~std::uintptr_t{63}) + sizeof(VersionedSegment)),
            static_cast<unsigned>(word & 63)};
  }
  static std::size_t home(Buckets buckets, std::uint64_t hash) noexcept {
    return static_cast<std::size_t>(hash >> 10) & buckets.mask();
  }
  static const Record* find(std::uintptr_t word, std::uint64_t hash, const Key& key) noexcept {
    const Buckets all = buckets(word);
    return all.find(home(all, hash), hash, key);
  }
  [[nodiscard]] Buckets::Place locate(std::uint64_t hash, const Key& key) const noexcept {
    const Buckets all = buckets(word());
    return all.locate(home(all, hash), hash, key);
  }
  void place(std::uint64_t hash, const Record* record) noexcept {
    const Buckets all = buckets(word());
    all.place(home(all, hash), hash, record);
    ++entries;
  }
  void erase(const Buckets::Place& at) noexcept;
  /// For Observed; any thread. Adds what is in the segment. O(slots + entries).
  static void count(std::uintptr_t word, const Placement& placement, TableCensus& census);

  /// Calls `visit(record)` for each record. O(slots).
  template <class F>
  static void each(std::uintptr_t word, F&& visit) {
    const Buckets all = buckets(word);
    for (std::size_t i = 0; i <= all.mask(); ++i) {
      for (const auto& slot : all.first[i].slots) {
        const Record* record = Bucket::record_of(slot.load(std::memory_order_acquire));
        if (record != nullptr) visit(*record);
      }
    }
  }
};
static_assert(sizeof(VersionedSegment) == 64, "a head is one cache line");

/// Which segment serves a hash: an array of segments' words, indexed by the top bits; a segment
/// whose keys have fewer bits in common stands at several indexes (Fagin, Nievergelt, Pippenger,
/// Strong, "Extendible hashing", 1979). A value of one word that owns nothing.
class VersionedDirectory {
 public:
  static constexpr unsigned kLog2Max = 32;

  VersionedDirectory() = default;
  explicit VersionedDirectory(std::uintptr_t word) noexcept : word_(word) {}
  static VersionedDirectory make(unsigned log2);
  static void free(const void* memory) noexcept;

  explicit operator bool() const noexcept { return word_ != 0; }
  [[nodiscard]] std::uintptr_t word() const noexcept { return word_; }
  [[nodiscard]] unsigned log2() const noexcept { return static_cast<unsigned>(word_ & 63); }
  [[nodiscard]] std::size_t size() const noexcept { return std::size_t{1} << log2(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return size() * sizeof(std::uintptr_t); }
  [[nodiscard]] const void* memory() const noexcept { return entries(); }
  [[nodiscard]] std::atomic<std::uintptr_t>& operator[](std::size_t index) const noexcept {
    return entries()[index];
  }
  [[nodiscard]] std::size_t index(std::uint64_t hash) const noexcept { return index(hash, log2()); }
  static std::size_t index(std::uint64_t hash, unsigned log2) noexcept {
    return static_cast<std::size_t>((hash >> 1) >> (63 - log2));
  }
  /// Calls `visit(word)` once for each segment, in the order of their hashes; `word_at(index)`
  /// gives the array's words.
  template <class At, class F>
  static void each(unsigned log2, At&& word_at, F&& visit) {
    for (std::size_t i = 0; i < std::size_t{1} << log2;) {
      const std::uintptr_t word = word_at(i);
      i += std::size_t{1} << (log2 - VersionedSegment::of(word)->depth);
      visit(word);
    }
  }

 private:
  [[nodiscard]] std::atomic<std::uintptr_t>* entries() const noexcept {
    return reinterpret_cast<std::atomic<std::uintptr_t>*>(word_ & ~std::uintptr_t{63});
  }

  std::uintptr_t word_ = 0;  ///< address of the array, in the low six bits log2 of its size
};

}  // namespace podkeeper::cmap
