#pragma once

#include "pkg/base/ref.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace podkeeper::cmap {

/// A key together with its seeded hash: hashed once, where it enters, and carried from there.
struct Key {
  std::string_view text;  ///< "namespace/name", or "name" for what is cluster-scoped
  std::uint64_t hash = 0;
};

/// XXH3-64 seeded by a secret drawn at start, so that crafted keys do not meet in one bucket. Set
/// the secret before the first key is hashed (the daemon does); without it the seed is 0, which
/// tests rely on.
void set_hash_secret(std::uint64_t secret) noexcept;
std::uint64_t hash_key(std::string_view text) noexcept;
inline Key make_key(std::string_view text) noexcept { return {text, hash_key(text)}; }

/// Base of what a map holds: immutable, counted, knows its key and hash. The key's bytes live in
/// the record, once.
class Record : public base::RefCounted {
 public:
  virtual ~Record() = default;
  [[nodiscard]] std::string_view key_text() const noexcept { return key_.text; }
  [[nodiscard]] std::uint64_t hash() const noexcept { return key_.hash; }
  [[nodiscard]] const Key& key() const noexcept { return key_; }
  /// Bytes that come free with this record, body included: a map tells them to the reclaimer, which
  /// bounds what waits.
  [[nodiscard]] virtual std::size_t byte_size() const noexcept { return sizeof(Record); }

 protected:
  Record() = default;
  /// Called by the derived constructor once the key's bytes have their final place.
  void set_key(Key key) noexcept { key_ = key; }

 private:
  Key key_;
};

}  // namespace podkeeper::cmap
