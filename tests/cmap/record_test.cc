#include "pkg/cmap/record.h"

#include <gtest/gtest.h>

#include <string>

namespace podkeeper::cmap {
namespace {

TEST(HashKey, IsXxh3OfTheTextAndTheSecret) {
  // The published value of XXH3-64 over no bytes with seed 0.
  EXPECT_EQ(hash_key(""), 0x2d06800538d394c2u);
  const std::uint64_t open = hash_key("default/web");
  set_hash_secret(0x5eed);
  EXPECT_NE(hash_key("default/web"), open);
  set_hash_secret(0);
  EXPECT_EQ(hash_key("default/web"), open);
}

TEST(HashKey, DependsOnEveryByteOfAKey) {
  const std::string text(300, 'a');
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string other = text;
    other[i] = 'b';
    EXPECT_NE(hash_key(other), hash_key(text)) << i;
  }
}

}  // namespace
}  // namespace podkeeper::cmap
