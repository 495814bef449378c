#pragma once

#include <cstddef>

namespace podkeeper::base {

/// Memory for many small objects of a few sizes, which come and go at a high rate and are often
/// freed by another thread than made them: the records of the maps. After Bonwick's slabs (USENIX
/// 1994) with a cache a thread as in his magazines (USENIX 2001).
///
/// Blocks have multiples of 16 bytes up to kBlockBytesMax and no header of their own. A slab is
/// 64 KiB of blocks of one size; 32 slabs are one mapping of 2 MiB, aligned, whose first bytes hold
/// the slabs' heads. Its memory comes page by page as blocks are first used. It is not advised to
/// be a huge page: clearing that stops the first user of the mapping for 0.1 ms to milliseconds,
/// and making it one later stops those who use it meanwhile. A thread keeps up to 256 KiB of free
/// blocks of each size; beyond that half of them go back to their slabs at once. A slab without
/// blocks in use serves any size, and a mapping without slabs in use goes back to the system,
/// except for the last.
///
/// Any thread may free what any other allocated. A block costs about 3 ns from a thread's own cache
/// and no lock; a batch costs one. Under AddressSanitizer each block comes from malloc, so that use
/// after free is found.
class Slabs {
 public:
  static constexpr std::size_t kGrain = 16;  ///< blocks are aligned to it
  static constexpr std::size_t kBlockBytesMax = 512;

  /// What a block for so many bytes takes.
  [[nodiscard]] static constexpr std::size_t block_bytes(std::size_t bytes) noexcept {
    return (bytes + kGrain - 1) / kGrain * kGrain;
  }

  /// `bytes` is 1..kBlockBytesMax, else it panics. Throws std::bad_alloc.
  [[nodiscard]] static void* allocate(std::size_t bytes);
  static void free(void* block) noexcept;

  /// Gives the blocks that this thread keeps back to their slabs; its end does so too.
  static void flush() noexcept;

  /// Exact, over all threads. Zero under AddressSanitizer.
  struct Stats {
    std::size_t mapped_bytes = 0;  ///< from the system
    std::size_t slab_bytes = 0;    ///< of the slabs that serve a size
    std::size_t block_bytes = 0;   ///< of the blocks in use or kept by a thread
  };
  [[nodiscard]] static Stats stats() noexcept;
};

}  // namespace podkeeper::base
