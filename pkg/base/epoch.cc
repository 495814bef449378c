#include "pkg/base/epoch.h"

#include "pkg/base/mutex.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <linux/membarrier.h>
#include <memory>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace podkeeper::base {
namespace {

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kBatchBytesMax =
    1 << 20;  ///< so that large bodies do not wait for 4096 neighbours

constexpr std::size_t kSpareBatchesMax = 8;
constexpr int kYieldsMax = 64;  ///< of a writer above kPendingBytesMax, for one batch

struct Retired {
  const void* object;
  void (*free)(const void*);
};

/// What one thread retired from one seal to the next.
struct Batch {
  std::uint64_t epoch = 0;  ///< free once every guard was entered after this epoch
  std::size_t bytes = 0;
  std::vector<Retired> records;
};
using BatchPtr = std::unique_ptr<Batch>;

/// What one thread shows to reclaimers. Slots are never freed, only handed to the next thread.
struct alignas(kCacheLine) Slot {
  std::atomic<std::uint64_t> pinned{0};  ///< epoch of the outermost guard; 0: no guard
  std::uint32_t nesting = 0;             ///< owner only
  std::atomic<bool> taken{true};
  std::atomic<std::uint64_t> task{0};  ///< id of the task that the thread runs; 0: none
  Slot* next = nullptr;

  /// What the thread retired since its last seal. Whoever works on it takes it out and leaves null:
  /// the owner for each record, a collector for good.
  alignas(kCacheLine) std::atomic<Batch*> open{nullptr};
  // Retired ever, by all owners; each written by the owner alone.
  std::atomic<std::size_t> records{0};
  std::atomic<std::size_t> bytes{0};
};

struct Domain {
  std::atomic<std::uint64_t> epoch{1};
  std::atomic<Slot*> slots{nullptr};
  std::atomic<bool> reclaiming{false};
  // Freed ever: with the slots' counts, what is pending.
  std::atomic<std::size_t> records{0};
  std::atomic<std::size_t> bytes{0};
  Mutex mutex;
  std::vector<BatchPtr> sealed PK_GUARDED_BY(mutex);
  std::vector<BatchPtr> spares PK_GUARDED_BY(mutex);  ///< empty, with their capacity
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

BatchPtr new_batch() {
  Domain& d = domain();
  {
    Lock lock(d.mutex);
    if (!d.spares.empty()) {
      BatchPtr spare = std::move(d.spares.back());
      d.spares.pop_back();
      return spare;
    }
  }
  return std::make_unique<Batch>();
}

void seal(BatchPtr batch) {
  Domain& d = domain();
  // The read-modify-write orders every unlink before it with every guard that later reads a larger
  // epoch.
  batch->epoch = d.epoch.fetch_add(1, std::memory_order_seq_cst);
  Lock lock(d.mutex);
  d.sealed.push_back(std::move(batch));
}

void seal_open(Slot& slot) {
  if (slot.open.load(std::memory_order_relaxed) == nullptr) return;
  if (BatchPtr batch{slot.open.exchange(nullptr, std::memory_order_acq_rel)}) {
    seal(std::move(batch));
  }
}

/// The thread's hold on its slot. What is retired after the thread's end, by static destruction,
/// takes a slot of its own.
struct Local {
  Slot* slot = nullptr;
  ~Local() {
    if (slot == nullptr) return;
    seal_open(*slot);
    slot->task.store(0, std::memory_order_relaxed);
    std::exchange(slot, nullptr)->taken.store(false, std::memory_order_release);
  }
};

Slot& local() {
  thread_local Local instance;
  if (instance.slot == nullptr) [[unlikely]]
    instance.slot = take_slot();
  return *instance.slot;
}

template <class F>
void for_each_slot(F&& visit) {
  for (Slot* s = domain().slots.load(std::memory_order_acquire); s != nullptr; s = s->next) {
    visit(*s);
  }
}

std::uint64_t pinned(const Slot& slot) {
  return kAsymmetric ? slot.pinned.load(std::memory_order_acquire)
                     : slot.pinned.load(std::memory_order_seq_cst);
}

std::uint64_t oldest_guard() {
  heavy_barrier();
  std::uint64_t oldest = std::numeric_limits<std::uint64_t>::max();
  for_each_slot([&](const Slot& slot) {
    if (const std::uint64_t epoch = pinned(slot); epoch != 0) oldest = std::min(oldest, epoch);
  });
  return oldest;
}

/// Takes the batches out whose grace period has passed.
std::vector<BatchPtr> take_passed() {
  Domain& d = domain();
  std::vector<BatchPtr> candidates;
  {
    Lock lock(d.mutex);
    candidates.swap(d.sealed);
  }
  if (candidates.empty()) return candidates;
  // Unlinked before the barrier inside oldest_guard(): a guard entered later cannot find these
  // records.
  const std::uint64_t oldest = oldest_guard();
  const auto waiting = std::partition(candidates.begin(), candidates.end(),
                                      [&](const BatchPtr& b) { return b->epoch < oldest; });
  {
    Lock lock(d.mutex);
    std::move(waiting, candidates.end(), std::back_inserter(d.sealed));
  }
  candidates.erase(waiting, candidates.end());
  return candidates;
}

std::size_t free_all(std::vector<BatchPtr> batches) {
  Domain& d = domain();
  std::size_t freed = 0;
  for (BatchPtr& batch : batches) {
    for (const Retired& r : batch->records) r.free(r.object);
    freed += batch->records.size();
    d.records.fetch_add(batch->records.size(), std::memory_order_release);
    d.bytes.fetch_add(batch->bytes, std::memory_order_release);
    batch->records.clear();
    batch->bytes = 0;
    Lock lock(d.mutex);
    if (d.spares.size() < kSpareBatchesMax) d.spares.push_back(std::move(batch));
  }
  return freed;
}

thread_local bool t_reclaiming = false;

/// One thread at a time: the others' barriers would only disturb the readers. False when it is
/// another's turn.
bool reclaim(std::size_t* freed) {
  Domain& d = domain();
  if (d.reclaiming.exchange(true, std::memory_order_acquire)) return false;
  t_reclaiming = true;
  *freed = free_all(take_passed());
  t_reclaiming = false;
  d.reclaiming.store(false, std::memory_order_release);
  d.reclaiming.notify_all();
  return true;
}

/// After a seal: frees what can be freed, and gives the readers time to leave where too much waits.
void reclaim_or_yield(const Slot& slot) {
  std::size_t freed = 0;
  reclaim(&freed);
  // Whoever holds a guard himself, or frees, might wait for himself.
  if (slot.nesting != 0 || t_reclaiming) return;
  for (int i = 0; i < kYieldsMax && Epoch::pending().bytes > Epoch::kPendingBytesMax; ++i) {
    std::this_thread::yield();
    reclaim(&freed);
  }
}

void bump(std::atomic<std::size_t>& count, std::size_t by) {
  count.store(count.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

}  // namespace

Epoch::Guard::Guard() noexcept {
  Slot* slot = &local();
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
  Slot& slot = local();
  BatchPtr batch{slot.open.exchange(nullptr, std::memory_order_acquire)};
  if (batch == nullptr) batch = new_batch();
  batch->records.push_back(Retired{object, free});
  batch->bytes += bytes;
  bump(slot.records, 1);
  bump(slot.bytes, bytes);
  if (batch->records.size() < kRetireBatch && batch->bytes < kBatchBytesMax) {
    slot.open.store(batch.release(), std::memory_order_release);
    return;
  }
  seal(std::move(batch));
  reclaim_or_yield(slot);
}

Epoch::Mark Epoch::mark() noexcept {
  return domain().epoch.fetch_add(1, std::memory_order_seq_cst);
}

bool Epoch::passed(Mark mark) noexcept { return mark < oldest_guard(); }

std::size_t Epoch::collect() {
  for_each_slot(seal_open);
  std::size_t freed = 0;
  while (!t_reclaiming && !reclaim(&freed)) domain().reclaiming.wait(true);
  return freed;
}

Epoch::Pending Epoch::pending() noexcept {
  const Domain& d = domain();
  // What was freed before what was retired, so that the difference is never below zero.
  const Pending freed{d.records.load(std::memory_order_acquire),
                      d.bytes.load(std::memory_order_acquire)};
  Pending pending;
  for_each_slot([&](const Slot& slot) {
    pending.records += slot.records.load(std::memory_order_relaxed);
    pending.bytes += slot.bytes.load(std::memory_order_relaxed);
  });
  return {pending.records - freed.records, pending.bytes - freed.bytes};
}

void Epoch::runs_task(std::uint64_t task_id) noexcept {
  local().task.store(task_id, std::memory_order_relaxed);
}

std::optional<Epoch::Holder> Epoch::oldest_holder() noexcept {
  std::optional<Holder> oldest;
  for_each_slot([&](const Slot& slot) {
    const std::uint64_t epoch = pinned(slot);
    if (epoch == 0 || (oldest && oldest->since <= epoch)) return;
    oldest = Holder{epoch, slot.task.load(std::memory_order_relaxed)};
  });
  return oldest;
}

}  // namespace podkeeper::base
