#pragma once

#include "pkg/base/ref.h"
#include "pkg/base/slab.h"

#include <cstddef>
#include <cstdint>
#include <new>
#include <string_view>

namespace podkeeper::cmap {

/// A key together with its seeded hash: hashed once, where it enters, and carried from there.
struct Key {
  std::string_view text;  ///< "namespace/name", or "name" for what is cluster-scoped
  std::uint64_t hash = 0;
};

/// What a map places its keys by; the values of ConcurrentMapPolicy's spec.hash. Both are seeded by
/// the process's secret (see set_hash_secret), so that crafted keys do not meet.
enum class Hash { kXXH3, kFNV1a };
inline constexpr Hash kHashes[] = {Hash::kXXH3, Hash::kFNV1a};

/// XXH3-64 seeded by a secret drawn at start, so that crafted keys do not meet in one bucket. Set
/// the secret before the first key is hashed (the daemon does); without it the seed is 0, which
/// tests rely on.
void set_hash_secret(std::uint64_t secret) noexcept;
std::uint64_t hash_key(std::string_view text) noexcept;
/// FNV-1a-64 (Fowler, Noll, Vo) whose basis is the secret's, finalized by MurmurHash3's 64-bit
/// mixer: FNV-1a's low bits depend on low bits alone, so that keys which meet there meet under
/// every basis; the mixer makes each bit of the result depend on all bits of the state. O(text).
std::uint64_t fnv1a_hash(std::string_view text) noexcept;
inline Key make_key(std::string_view text) noexcept { return {text, hash_key(text)}; }

/// What a map places a key by: the hash the key carries, or FNV-1a of its text.
class Placement {
 public:
  explicit Placement(Hash hash = Hash::kXXH3) noexcept : hash_(hash) {}
  std::uint64_t operator()(const Key& key) const noexcept {
    if (hash_ == Hash::kXXH3) [[likely]]
      return key.hash;
    return fnv1a_hash(key.text);
  }

  /// Whether it needs the key's text, or the hash that the key carries suffices.
  [[nodiscard]] bool by_text() const noexcept { return hash_ != Hash::kXXH3; }

 private:
  Hash hash_;
};

/// Base of what a map holds: immutable, counted, knows its key and hash. The key's bytes live in
/// the record, best right behind it (see base::Tail): a find fetches the first two cache lines of a
/// record at once. What is read seldom belongs into a block of its own, so that many heads share a
/// page. Records of up to Slabs::kBlockBytesMax come from slabs, tail included; larger ones are
/// made without a tail and come from operator new.
class Record : public base::RefCounted {
 public:
  virtual ~Record() = default;
  [[nodiscard]] std::string_view key_text() const noexcept { return key_.text; }
  [[nodiscard]] std::uint64_t hash() const noexcept { return key_.hash; }
  [[nodiscard]] const Key& key() const noexcept { return key_; }

  static void* operator new(std::size_t bytes) {
    return bytes <= base::Slabs::kBlockBytesMax ? base::Slabs::allocate(bytes)
                                                : ::operator new(bytes);
  }
  static void* operator new(std::size_t bytes, base::Tail tail) {
    return base::Slabs::allocate(bytes + tail.bytes);
  }
  static void operator delete(void* record, std::size_t bytes) noexcept {
    if (bytes <= base::Slabs::kBlockBytesMax) return base::Slabs::free(record);
    ::operator delete(record, bytes);
  }
  /// For a constructor that throws.
  static void operator delete(void* record, base::Tail) noexcept { base::Slabs::free(record); }

  /// Bytes that come free with this record, body included: a map tells them to the reclaimer, which
  /// bounds what waits, and counts what it holds.
  [[nodiscard]] std::size_t byte_size() const noexcept { return bytes_; }

 protected:
  Record() = default;
  /// Called by the derived constructor once the key's bytes have their final place. `bytes` is what
  /// byte_size() will say, less than 4 GiB.
  void set_key(Key key, std::size_t bytes) noexcept {
    key_ = key;
    bytes_ = static_cast<std::uint32_t>(bytes);
  }

 private:
  std::uint32_t bytes_ = 0;
  Key key_;
};

}  // namespace podkeeper::cmap
