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

std::uint64_t fnv1a_hash(std::string_view text) noexcept {
  constexpr std::uint64_t kBasis = 0xcbf2'9ce4'8422'2325;
  constexpr std::uint64_t kPrime = 0x0000'0100'0000'01b3;
  std::uint64_t h = kBasis ^ secret.load(std::memory_order_relaxed);
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * kPrime;
  h = (h ^ (h >> 33)) * 0xff51'afd7'ed55'8ccd;
  h = (h ^ (h >> 33)) * 0xc4ce'b9fe'1a85'ec53;
  return h ^ (h >> 33);
}

}  // namespace podkeeper::cmap
