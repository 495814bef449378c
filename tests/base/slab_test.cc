#include "pkg/base/slab.h"

#include "pkg/base/panic.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "tests/base/sanitized.h"

namespace podkeeper::base {
namespace {

TEST(Slabs, GivesBlocksThatDoNotOverlapAndAreAligned) {
  std::vector<void*> blocks;
  for (std::size_t bytes = 1; bytes <= Slabs::kBlockBytesMax; ++bytes) {
    for (int i = 0; i < 20; ++i) {
      void* const block = Slabs::allocate(bytes);
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(block) % Slabs::kGrain, 0u);
      std::memset(block, static_cast<int>(blocks.size() % 251), bytes);
      blocks.push_back(block);
    }
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const std::size_t bytes = i / 20 + 1;
    const auto* const block = static_cast<const unsigned char*>(blocks[i]);
    ASSERT_TRUE(std::all_of(block, block + bytes, [&](unsigned char c) { return c == i % 251; }))
        << "block " << i << " was written by another";
  }
  for (void* const block : blocks) Slabs::free(block);
}

TEST(Slabs, RefusesWhatIsNoSizeOfTheirs) {
  EXPECT_THROW((void)Slabs::allocate(0), Panic);
  EXPECT_THROW((void)Slabs::allocate(Slabs::kBlockBytesMax + 1), Panic);
}

#if !PK_ADDRESS_SANITIZER  // slabs stand aside for it, and then account for nothing

TEST(Slabs, AccountForEachBlockExactly) {
  Slabs::flush();
  const Slabs::Stats before = Slabs::stats();
  std::vector<void*> blocks;
  for (int i = 0; i < 64 * 100; ++i) blocks.push_back(Slabs::allocate(120));
  const Slabs::Stats full = Slabs::stats();
  EXPECT_EQ(full.block_bytes - before.block_bytes, 64u * 100 * Slabs::block_bytes(120));
  EXPECT_LE(full.slab_bytes - before.slab_bytes,
            (full.block_bytes - before.block_bytes) * 12 / 10 + 2 * (64 << 10));
  EXPECT_GE(full.mapped_bytes, full.slab_bytes);
  for (void* const block : blocks) Slabs::free(block);
  Slabs::flush();
  EXPECT_EQ(Slabs::stats().block_bytes, before.block_bytes);
}

TEST(Slabs, GiveEmptySlabsAndMappingsBack) {
  Slabs::flush();
  const Slabs::Stats before = Slabs::stats();
  std::vector<void*> blocks;
  for (int i = 0; i < 100'000; ++i) blocks.push_back(Slabs::allocate(256));
  EXPECT_GE(Slabs::stats().mapped_bytes, 100'000u * 256);
  for (void* const block : blocks) Slabs::free(block);
  Slabs::flush();
  const Slabs::Stats after = Slabs::stats();
  EXPECT_LE(after.slab_bytes, before.slab_bytes + (64 << 10)) << "one slab may stay for the size";
  EXPECT_LE(after.mapped_bytes, before.mapped_bytes + (2 << 20)) << "one mapping may stay";
}

TEST(Slabs, AThreadsEndGivesItsBlocksBack) {
  const Slabs::Stats before = Slabs::stats();
  std::jthread([] { Slabs::free(Slabs::allocate(480)); }).join();
  EXPECT_EQ(Slabs::stats().block_bytes, before.block_bytes);
}

#endif

TEST(Slabs, ServeThreadsThatFreeEachOthersBlocks) {
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kExchanges = 40'000;
  // A block's first word is its own address: a block given out twice loses it.
  std::vector<std::atomic<void*>> shelf(256);
  std::atomic<std::uint64_t> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (std::size_t i = 0; i < kExchanges; ++i) {
          const std::size_t bytes = 16 + (i * 7 + t) % 5 * 100;
          void* const mine = Slabs::allocate(bytes);
          std::memcpy(mine, &mine, sizeof(mine));
          void* const other = shelf[(i * 31 + t * 64) % shelf.size()].exchange(mine);
          if (other == nullptr) continue;
          if (std::memcmp(other, &other, sizeof(other)) != 0) ++wrong;
          Slabs::free(other);
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0u);
  std::set<void*> left;
  for (auto& place : shelf) left.insert(place.exchange(nullptr));
  for (void* const block : left) {
    if (block != nullptr) Slabs::free(block);
  }
}

}  // namespace
}  // namespace podkeeper::base
