#include "pkg/base/slab.h"

#include "pkg/base/mutex.h"
#include "pkg/base/panic.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <new>
#include <string>
#include <sys/mman.h>
#include <utility>

namespace podkeeper::base {
namespace {

#ifndef __has_feature  // g++ says it with __SANITIZE_ADDRESS__
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
constexpr bool kFromMalloc = true;
#else
constexpr bool kFromMalloc = false;
#endif

constexpr std::size_t kSlabBytes = 64 << 10;
constexpr std::size_t kSlabs = 32;  ///< in a chunk
constexpr std::size_t kChunkBytes = kSlabBytes * kSlabs;
constexpr std::size_t kClasses = Slabs::kBlockBytesMax / Slabs::kGrain;
constexpr std::size_t kRefill = 64;                ///< blocks a thread takes at once
constexpr std::size_t kCacheBytesMax = 256 << 10;  ///< free blocks a thread keeps of one size

struct Free {
  Free* next;
};

/// The head of a slab. A slab with a free block is in its class's list; one without any block in
/// use may be in the pool's.
struct alignas(64) Slab {
  Slab* previous;
  Slab* next;
  Free* free;         ///< given back; others were never carved
  std::byte* blocks;  ///< where the first block starts
  std::uint32_t of_class;
  std::uint32_t used;
  std::uint32_t carved;
  std::uint32_t capacity;
};
static_assert(sizeof(Slab) == 64, "two slabs' heads do not share a cache line");

/// One mapping. The heads stand together, not each at the start of its slab: there they would all
/// fall into one set of the cache.
struct Chunk {
  std::array<Slab, kSlabs> slabs;
  std::uint32_t unused;  ///< slabs in the pool; guarded by its mutex
};
constexpr std::size_t kHeadBytes = (sizeof(Chunk) + 63) / 64 * 64;  ///< the first slab lacks them

Chunk& chunk_of(const void* inside) noexcept {
  return *reinterpret_cast<Chunk*>(reinterpret_cast<std::uintptr_t>(inside) & ~(kChunkBytes - 1));
}
Slab& slab_of(const void* block) noexcept {
  const std::uintptr_t offset = reinterpret_cast<std::uintptr_t>(block) & (kChunkBytes - 1);
  return chunk_of(block).slabs[offset / kSlabBytes];
}

constexpr std::size_t class_of(std::size_t bytes) { return (bytes - 1) / Slabs::kGrain; }
constexpr std::size_t bytes_of(std::size_t of_class) { return (of_class + 1) * Slabs::kGrain; }

/// A list through the slabs' heads.
struct List {
  Slab* first = nullptr;
  std::size_t size = 0;

  void push(Slab& slab) noexcept {
    slab.previous = nullptr;
    slab.next = first;
    if (first != nullptr) first->previous = &slab;
    first = &slab;
    ++size;
  }
  void remove(Slab& slab) noexcept {
    (slab.previous == nullptr ? first : slab.previous->next) = slab.next;
    if (slab.next != nullptr) slab.next->previous = slab.previous;
    --size;
  }
};

/// A chunk on its own alignment. The kernel mostly gives the memory below what it gave last; where
/// it does not, twice the size is mapped and what is over goes back.
Chunk& map_chunk() {
  static constinit std::atomic<std::uintptr_t> last{0};
  const auto map = [](std::uintptr_t where, std::size_t bytes) {
    void* const mapped = mmap(reinterpret_cast<void*>(where), bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    return static_cast<std::byte*>(mapped);
  };
  const auto over = [](const std::byte* at) {
    return -reinterpret_cast<std::uintptr_t>(at) & (kChunkBytes - 1);
  };
  const std::uintptr_t before = last.load(std::memory_order_relaxed);
  std::byte* chunk = map(before == 0 ? 0 : before - kChunkBytes, kChunkBytes);
  if (over(chunk) != 0) {
    munmap(chunk, kChunkBytes);
    std::byte* const begin = map(0, 2 * kChunkBytes);
    chunk = begin + over(begin);
    if (chunk != begin) munmap(begin, over(begin));
    munmap(chunk + kChunkBytes, kChunkBytes - over(begin));
  }
  last.store(reinterpret_cast<std::uintptr_t>(chunk), std::memory_order_relaxed);
  return *new (chunk) Chunk();
}

/// The slabs that serve no size.
class Pool {
 public:
  Slab& take() {
    for (;;) {
      {
        Lock lock(mutex_);
        if (Slab* const slab = unused_.first) {
          unused_.remove(*slab);
          --chunk_of(slab).unused;
          return *slab;
        }
      }
      Chunk& chunk = map_chunk();
      Lock lock(mutex_);
      ++chunks_;
      for (Slab& slab : chunk.slabs) unused_.push(slab);
      chunk.unused = kSlabs;
    }
  }

  void give(Slab& slab) noexcept {
    Chunk& chunk = chunk_of(&slab);
    {
      Lock lock(mutex_);
      unused_.push(slab);
      if (++chunk.unused != kSlabs || unused_.size == kSlabs) return;
      for (Slab& each : chunk.slabs) unused_.remove(each);
      --chunks_;
    }
    munmap(&chunk, kChunkBytes);
  }

  void report(Slabs::Stats& stats) {
    Lock lock(mutex_);
    stats.mapped_bytes = chunks_ * kChunkBytes;
    stats.slab_bytes = stats.mapped_bytes - unused_.size * kSlabBytes;
  }

 private:
  Mutex mutex_;
  List unused_ PK_GUARDED_BY(mutex_);
  std::size_t chunks_ PK_GUARDED_BY(mutex_) = 0;
};

/// The slabs of one size.
class alignas(64) Class {
 public:
  /// A chain of 1..`most` blocks.
  Free* take(std::size_t of_class, std::size_t most, Pool& pool, std::size_t* count) {
    for (;;) {
      {
        Lock lock(mutex_);
        if (available_.first != nullptr) return take_some(most, count);
      }
      Slab& slab = pool.take();
      const auto at = static_cast<std::size_t>(&slab - chunk_of(&slab).slabs.data());
      const std::size_t head = at == 0 ? kHeadBytes : 0;
      slab.free = nullptr;
      slab.blocks = reinterpret_cast<std::byte*>(&chunk_of(&slab)) + at * kSlabBytes + head;
      slab.of_class = static_cast<std::uint32_t>(of_class);
      slab.used = slab.carved = 0;
      slab.capacity = static_cast<std::uint32_t>((kSlabBytes - head) / bytes_of(of_class));
      Lock lock(mutex_);
      available_.push(slab);
    }
  }

  void give(Free* chain, Pool& pool) noexcept {
    List empty;
    {
      Lock lock(mutex_);
      while (chain != nullptr) {
        Free* const block = std::exchange(chain, chain->next);
        Slab& slab = slab_of(block);
        block->next = std::exchange(slab.free, block);
        if (slab.used-- == slab.capacity) available_.push(slab);
        --blocks_;
        if (slab.used > 0 || available_.size == 1) continue;
        available_.remove(slab);
        empty.push(slab);
      }
    }
    while (Slab* const slab = empty.first) {
      empty.remove(*slab);
      pool.give(*slab);
    }
  }

  [[nodiscard]] std::size_t blocks() {
    Lock lock(mutex_);
    return blocks_;
  }

 private:
  Free* take_some(std::size_t most, std::size_t* count) PK_REQUIRES(mutex_) {
    Free* chain = nullptr;
    for (*count = 0; *count < most && available_.first != nullptr; ++*count) {
      Slab& slab = *available_.first;
      Free* block = slab.free;
      if (block != nullptr) {
        slab.free = block->next;
      } else {
        block = reinterpret_cast<Free*>(slab.blocks + slab.carved++ * bytes_of(slab.of_class));
      }
      block->next = std::exchange(chain, block);
      if (++slab.used == slab.capacity) available_.remove(slab);
    }
    blocks_ += *count;
    return chain;
  }

  Mutex mutex_;
  List available_ PK_GUARDED_BY(mutex_);  ///< with a free block
  std::size_t blocks_ PK_GUARDED_BY(mutex_) = 0;
};

struct Heap {
  Pool pool;
  std::array<Class, kClasses> classes;
};
/// Never destroyed: threads may free during static destruction.
Heap& heap() {
  static auto* instance = new Heap();
  return *instance;
}

/// The blocks that a thread keeps. Plain data, so that reaching it costs no check.
struct Cache {
  std::array<Free*, kClasses> first{};
  std::array<std::uint32_t, kClasses> count{};
  bool closed = false;  ///< the thread ends: it keeps nothing any more
};
constinit thread_local Cache t_cache;

/// Gives the cache back at the thread's end.
struct Lease {
  ~Lease() {
    Slabs::flush();
    t_cache.closed = true;
  }
};

void* refill(std::size_t of_class) {
  thread_local const Lease lease;
  (void)lease;
  Heap& h = heap();
  std::size_t count = 0;
  Free* const chain =
      h.classes[of_class].take(of_class, t_cache.closed ? 1 : kRefill, h.pool, &count);
  t_cache.first[of_class] = chain->next;
  t_cache.count[of_class] = static_cast<std::uint32_t>(count - 1);
  return chain;
}

/// Keeps the first `keep` blocks, those freed last and so still in the processor's cache.
void give_back(std::size_t of_class, std::size_t keep) noexcept {
  Free** end = &t_cache.first[of_class];
  for (std::size_t i = 0; i < keep; ++i) end = &(*end)->next;
  t_cache.count[of_class] = static_cast<std::uint32_t>(keep);
  Heap& h = heap();
  h.classes[of_class].give(std::exchange(*end, nullptr), h.pool);
}

}  // namespace

void* Slabs::allocate(std::size_t bytes) {
  PK_CHECK(bytes > 0 && bytes <= kBlockBytesMax, "a block of " + std::to_string(bytes) +
                                                     " bytes: slabs have 1.." +
                                                     std::to_string(kBlockBytesMax));
  if constexpr (kFromMalloc) return ::operator new(bytes);
  const std::size_t of_class = class_of(bytes);
  Free*& first = t_cache.first[of_class];
  if (first == nullptr) return refill(of_class);
  --t_cache.count[of_class];
  return std::exchange(first, first->next);
}

void Slabs::free(void* block) noexcept {
  if constexpr (kFromMalloc) return ::operator delete(block);
  const std::size_t of_class = slab_of(block).of_class;
  auto* const mine = static_cast<Free*>(block);
  mine->next = std::exchange(t_cache.first[of_class], mine);
  const std::size_t count = ++t_cache.count[of_class];
  if (t_cache.closed) return give_back(of_class, 0);
  if (count * bytes_of(of_class) > kCacheBytesMax) give_back(of_class, count / 2);
}

void Slabs::flush() noexcept {
  for (std::size_t i = 0; i < kClasses; ++i) {
    if (t_cache.first[i] != nullptr) give_back(i, 0);
  }
}

Slabs::Stats Slabs::stats() noexcept {
  Stats stats;
  Heap& h = heap();
  h.pool.report(stats);
  for (std::size_t i = 0; i < kClasses; ++i) {
    stats.block_bytes += h.classes[i].blocks() * bytes_of(i);
  }
  return stats;
}

}  // namespace podkeeper::base
