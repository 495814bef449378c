#include "pkg/cmap/record.h"

#include <atomic>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace podkeeper::cmap {
namespace {

std::atomic<std::uint64_t> secret{0};

}  // namespace

void set_hash_secret(std::uint64_t value) noexcept {
  secret.store(value, std::memory_order_relaxed);
}

std::uint64_t hash_key(std::string_view text) noexcept {
  return XXH3_64bits_withSeed(text.data(), text.size(), secret.load(std::memory_order_relaxed));
}

}  // namespace podkeeper::cmap
