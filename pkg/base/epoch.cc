#include "pkg/base/epoch.h"

#include "pkg/base/mutex.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace podkeeper::base {
namespace {

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kBatchBytesMax =
    1 << 20;  ///< so that large bodies do not wait for 4096 neighbours

struct Retired {
  const void* object;
  void (*free)(const void*);
  std::size_t bytes;
};

/// What one thread shows to reclaimers. Slots are never freed, only handed to the next thread.
struct alignas(kCacheLine) Slot {
  std::atomic<std::uint64_t> pinned{0};  ///< epoch of the outermost guard; 0: no guard
  std::uint32_t nesting = 0;             ///< owner only
  std::atomic<bool> taken{true};
  Slot* next = nullptr;
};

struct Batch {
  std::uint64_t epoch;  ///< free once every guard was entered after this epoch
  std::vector<Retired> records;
};

struct Domain {
  std::atomic<std::uint64_t> epoch{1};
  std::atomic<Slot*> slots{nullptr};
  std::atomic<std::size_t> pending_records{0};
  std::atomic<std::size_t> pending_bytes{0};
  Mutex mutex;
  std::vector<Batch> sealed PK_GUARDED_BY(mutex);
};

/// Never destroyed: threads may retire during static destruction.
Domain& domain() {
  static auto* instance = new Domain();
  return *instance;
}

#ifndef __has_feature  // g++ says it with __SANITIZE_THREAD__
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
constexpr bool kAsymmetric = false;
#else
bool register_membarrier() {
  return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}
const bool kAsymmetric = register_membarrier();
#endif

/// The reclaimer's half of the barrier: after it, every thread has either shown its pin or sees
/// what was unlinked.
void heavy_barrier() {
  if (kAsymmetric) {
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
  } else {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
}

Slot* take_slot() {
  Domain& d = domain();
  for (Slot* s = d.slots.load(std::memory_order_acquire); s != nullptr; s = s->next) {
    bool free = false;
    if (s->taken.compare_exchange_strong(free, true, std::memory_order_acq_rel)) return s;
  }
  auto* slot = new Slot();
  slot->next = d.slots.load(std::memory_order_relaxed);
  while (!d.slots.compare_exchange_weak(slot->next, slot, std::memory_order_acq_rel)) {
  }
  return slot;
}

void seal(std::vector<Retired> records) {
  if (records.empty()) return;
  Domain& d = domain();
  // The read-modify-write orders every unlink before it with every guard that later reads a larger
  // epoch.
  const std::uint64_t epoch = d.epoch.fetch_add(1, std::memory_order_seq_cst);
  Lock lock(d.mutex);
  d.sealed.push_back(Batch{epoch, std::move(records)});
}

/// The thread's own part: its slot and the records it retired since its last batch.
struct Local {
  Slot* slot = take_slot();
  std::vector<Retired> records;
  std::size_t bytes = 0;

  ~Local() {
    seal(std::move(records));
    slot->taken.store(false, std::memory_order_release);
  }
};

Local& local() {
  thread_local Local instance;
  return instance;
}

std::uint64_t oldest_guard() {
  heavy_barrier();
  std::uint64_t oldest = std::numeric_limits<std::uint64_t>::max();
  for (Slot* s = domain().slots.load(std::memory_order_acquire); s != nullptr; s = s->next) {
    const std::uint64_t pinned = kAsymmetric ? s->pinned.load(std::memory_order_acquire)
                                             : s->pinned.load(std::memory_order_seq_cst);
    if (pinned != 0) oldest = std::min(oldest, pinned);
  }
  return oldest;
}

std::size_t reclaim() {
  Domain& d = domain();
  std::vector<Batch> candidates;
  {
    Lock lock(d.mutex);
    candidates.swap(d.sealed);
  }
  // Unlinked before the barrier inside oldest_guard(): a guard entered later cannot find these
  // records.
  const std::uint64_t oldest = oldest_guard();
  const auto waiting = std::partition(candidates.begin(), candidates.end(),
                                      [&](const Batch& b) { return b.epoch < oldest; });
  {
    Lock lock(d.mutex);
    std::move(waiting, candidates.end(), std::back_inserter(d.sealed));
  }
  candidates.erase(waiting, candidates.end());
  std::size_t freed = 0;
  std::size_t bytes = 0;
  for (const Batch& batch : candidates) {
    for (const Retired& r : batch.records) {
      r.free(r.object);
      bytes += r.bytes;
    }
    freed += batch.records.size();
  }
  d.pending_records.fetch_sub(freed, std::memory_order_relaxed);
  d.pending_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  return freed;
}

void seal_local(Local& mine) {
  mine.bytes = 0;
  seal(std::exchange(mine.records, {}));
}

}  // namespace

Epoch::Guard::Guard() noexcept {
  Slot* slot = local().slot;
  slot_ = slot;
  if (slot->nesting++ != 0) return;
  Domain& d = domain();
  if (kAsymmetric) {
    slot->pinned.store(d.epoch.load(std::memory_order_acquire), std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } else {
    slot->pinned.store(d.epoch.load(std::memory_order_seq_cst), std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
}

Epoch::Guard::~Guard() {
  auto* slot = static_cast<Slot*>(slot_);
  if (--slot->nesting == 0) slot->pinned.store(0, std::memory_order_release);
}

void Epoch::retire(const void* object, void (*free)(const void*), std::size_t bytes) {
  Local& mine = local();
  mine.records.push_back(Retired{object, free, bytes});
  mine.bytes += bytes;
  Domain& d = domain();
  d.pending_records.fetch_add(1, std::memory_order_relaxed);
  d.pending_bytes.fetch_add(bytes, std::memory_order_relaxed);
  if (mine.records.size() < kRetireBatch && mine.bytes < kBatchBytesMax) return;
  seal_local(mine);
  reclaim();
}

Epoch::Mark Epoch::mark() noexcept {
  return domain().epoch.fetch_add(1, std::memory_order_seq_cst);
}

bool Epoch::passed(Mark mark) noexcept { return mark < oldest_guard(); }

std::size_t Epoch::collect() {
  seal_local(local());
  return reclaim();
}

Epoch::Pending Epoch::pending() noexcept {
  const Domain& d = domain();
  return {d.pending_records.load(std::memory_order_relaxed),
          d.pending_bytes.load(std::memory_order_relaxed)};
}

}  // namespace podkeeper::base
