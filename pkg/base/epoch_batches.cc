#include "pkg/base/epoch.h"
#include "pkg/base/epoch_slots.h"
#include "pkg/base/mutex.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace podkeeper::base {
namespace {

using Slot = detail::EpochSlot;

constexpr std::size_t kBatchBytesMax =
    1 << 20;  ///< so that large bodies do not wait for 1024 neighbours
constexpr std::size_t kSpareBatchesMax = 32;
constexpr int kYieldsMax = 64;  ///< of a writer above kPendingBytesMax, for one batch

struct Retired {
  const void* object;
  void (*free)(const void*);
};

/// What one thread retired from one seal to the next.
struct Batch {
  Batch() { records.reserve(Epoch::kRetireBatch); }

  std::uint64_t epoch = 0;      ///< free once every guard was entered after this epoch
  const Slot* owner = nullptr;  ///< whose thread retired it; null once that has ended
  std::size_t bytes = 0;
  std::vector<Retired> records;
};
using BatchPtr = std::unique_ptr<Batch>;

}  // namespace

/// What a thread has at hand.
struct detail::EpochWork {
  BatchPtr open;                 ///< what was retired since the last seal
  std::vector<BatchPtr> passed;  ///< their grace period has passed: freed a few at each retire
};

namespace {

using Work = detail::EpochWork;
using WorkPtr = std::unique_ptr<Work>;

struct Domain {
  std::atomic<std::uint64_t> passed{0};  ///< every guard is known to be younger than this epoch
  std::atomic<bool> collecting{false};
  Mutex mutex;
  std::vector<BatchPtr> sealed PK_GUARDED_BY(mutex);
  std::vector<BatchPtr> spares PK_GUARDED_BY(mutex);  ///< empty, with their capacity
};

/// Never destroyed: threads may retire during static destruction.
Domain& domain() {
  static auto* instance = new Domain();
  return *instance;
}

BatchPtr new_batch(const Slot& owner) {
  Domain& d = domain();
  BatchPtr batch;
  {
    Lock lock(d.mutex);
    if (!d.spares.empty()) {
      batch = std::move(d.spares.back());
      d.spares.pop_back();
    }
  }
  if (batch == nullptr) batch = std::make_unique<Batch>();
  batch->owner = &owner;
  return batch;
}

void seal(BatchPtr batch) {
  Domain& d = domain();
  // The read-modify-write orders every unlink before it with every guard that later reads a larger
  // epoch.
  batch->epoch = detail::epoch_now.fetch_add(1, std::memory_order_seq_cst);
  Lock lock(d.mutex);
  d.sealed.push_back(std::move(batch));
}

WorkPtr take_work(Slot& slot) {
  if (slot.work.load(std::memory_order_relaxed) == nullptr) return nullptr;
  return WorkPtr(slot.work.exchange(nullptr, std::memory_order_acq_rel));
}

/// The owner's turn at its work.
class Turn {
 public:
  explicit Turn(Slot& slot) : slot_(slot), work_(take_work(slot)) {
    if (work_ == nullptr) work_ = std::make_unique<Work>();
  }
  ~Turn() { slot_.work.store(work_.release(), std::memory_order_release); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  [[nodiscard]] Work& work() const { return *work_; }

 private:
  Slot& slot_;
  WorkPtr work_;
};

/// Puts what the thread has at hand where every collector finds it, as nobody's: passed batches
/// keep their epoch, which stays passed.
void hand_in(WorkPtr work) {
  if (work == nullptr) return;
  if (work->open != nullptr) {
    work->open->owner = nullptr;
    seal(std::move(work->open));
  }
  Domain& d = domain();
  Lock lock(d.mutex);
  for (BatchPtr& batch : work->passed) {
    batch->owner = nullptr;
    d.sealed.push_back(std::move(batch));
  }
}

void bump(std::atomic<std::size_t>& count, std::size_t by) {
  count.store(count.load(std::memory_order_relaxed) + by, std::memory_order_release);
}

/// The epoch before which all batches have passed. Looks at the threads only where nobody's look
/// before tells of `wanted`: one barrier serves all that was sealed before it.
std::uint64_t passed_until(std::uint64_t wanted) {
  Domain& d = domain();
  std::uint64_t known = d.passed.load(std::memory_order_acquire);
  if (wanted < known) return known;
  // Unlinked before the barrier inside oldest_epoch_guard(): a guard entered later, whatever epoch
  // it shows, cannot find what was sealed before this load.
  const std::uint64_t next = detail::epoch_now.load(std::memory_order_seq_cst);
  const std::uint64_t until = std::min(detail::oldest_epoch_guard(), next);
  while (known < until && !d.passed.compare_exchange_weak(known, until, std::memory_order_acq_rel,
                                                          std::memory_order_acquire)) {
  }
  return std::max(known, until);
}

/// Takes the batches out whose grace period has passed: those that `owner` retired and nobody's, or
/// with null all of them.
std::vector<BatchPtr> take_passed(const Slot* owner) {
  Domain& d = domain();
  std::vector<BatchPtr> taken;
  std::uint64_t youngest = 0;
  {
    Lock lock(d.mutex);
    const auto mine = std::partition(d.sealed.begin(), d.sealed.end(), [&](const BatchPtr& b) {
      return owner != nullptr && b->owner != nullptr && b->owner != owner;
    });
    taken.assign(std::move_iterator(mine), std::move_iterator(d.sealed.end()));
    d.sealed.erase(mine, d.sealed.end());
  }
  if (taken.empty()) return taken;
  for (const BatchPtr& batch : taken) youngest = std::max(youngest, batch->epoch);
  const std::uint64_t until = passed_until(youngest);
  const auto waiting = std::partition(taken.begin(), taken.end(),
                                      [&](const BatchPtr& b) { return b->epoch < until; });
  if (waiting != taken.end()) {
    Lock lock(d.mutex);
    std::move(waiting, taken.end(), std::back_inserter(d.sealed));
  }
  taken.erase(waiting, taken.end());
  return taken;
}

void keep_spare(BatchPtr batch) {
  Domain& d = domain();
  Lock lock(d.mutex);
  if (d.spares.size() < kSpareBatchesMax) d.spares.push_back(std::move(batch));
}

thread_local bool t_freeing = false;

void count_freed(std::size_t records, std::size_t bytes) {
  Slot& slot = detail::my_epoch_slot();
  bump(slot.freed_records, records);
  bump(slot.freed_bytes, bytes);
}

std::size_t free_all(std::vector<BatchPtr> batches) {
  std::size_t freed = 0;
  t_freeing = true;
  for (BatchPtr& batch : batches) {
    for (const Retired& r : batch->records) r.free(r.object);
    count_freed(batch->records.size(), batch->bytes);
    freed += batch->records.size();
    batch->records.clear();
    batch->bytes = 0;
    keep_spare(std::move(batch));
  }
  t_freeing = false;
  return freed;
}

/// The few records that one retire() frees, taken out of what has passed.
class Few {
 public:
  explicit Few(std::vector<BatchPtr>& passed) {
    // One for one as long as that keeps up, so that the next record gets the memory just freed.
    const std::size_t most = passed.size() > 1 ? records_.size() : 1;
    while (size_ < most && !passed.empty()) {
      Batch& batch = *passed.back();
      // A record counts with the mean of the bytes left, so that a batch comes out exactly.
      const std::size_t share = batch.bytes / batch.records.size();
      batch.bytes -= share;
      bytes_ += share;
      records_[size_++] = batch.records.back();
      batch.records.pop_back();
      if (batch.records.empty()) {
        keep_spare(std::move(passed.back()));
        passed.pop_back();
      }
    }
    if (passed.empty()) return;
    // Those of the next retire(), whose lines have long left the cache.
    const auto& next = passed.back()->records;
    __builtin_prefetch(next.back().object);
    __builtin_prefetch(next[next.size() - std::min(next.size(), Epoch::kFreesPerRetire)].object);
  }

  void free() {
    if (size_ == 0) return;
    t_freeing = true;
    for (std::size_t i = 0; i < size_; ++i) records_[i].free(records_[i].object);
    t_freeing = false;
    count_freed(size_, bytes_);
  }

 private:
  std::array<Retired, Epoch::kFreesPerRetire> records_;
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
};

/// Frees in one go what has passed, until no more waits than may, and gives the readers time to
/// leave where that does not suffice.
void relieve(const Slot& slot) {
  for (int i = 0; Epoch::pending().bytes > Epoch::kPendingBytesMax; ++i) {
    free_all(take_passed(nullptr));
    // Whoever holds a guard himself might wait for himself.
    if (slot.nesting != 0 || i == kYieldsMax) return;
    std::this_thread::yield();
  }
}

}  // namespace

void detail::disown_epoch_work(EpochSlot& slot) {
  hand_in(take_work(slot));
  Domain& d = domain();
  Lock lock(d.mutex);
  for (const BatchPtr& batch : d.sealed) {
    if (batch->owner == &slot) batch->owner = nullptr;
  }
}

void Epoch::retire(const void* object, void (*free)(const void*), std::size_t bytes) {
  Slot& slot = detail::my_epoch_slot();
  bool sealed = false;
  std::optional<Few> few;
  {
    const Turn turn(slot);
    Work& work = turn.work();
    if (work.open == nullptr) work.open = new_batch(slot);
    work.open->records.push_back(Retired{object, free});
    work.open->bytes += bytes;
    bump(slot.records, 1);
    bump(slot.bytes, bytes);
    if (work.open->records.size() == kRetireBatch || work.open->bytes >= kBatchBytesMax) {
      // Before the seal: the caller may hold a guard, which the new batch would have to wait for.
      for (BatchPtr& batch : take_passed(&slot)) work.passed.push_back(std::move(batch));
      seal(std::move(work.open));
      sealed = true;
    }
    if (!t_freeing) few.emplace(work.passed);
  }
  if (few) few->free();
  if (sealed && !t_freeing) relieve(slot);
}

std::size_t Epoch::collect() {
  detail::for_each_epoch_slot([](Slot& slot) { hand_in(take_work(slot)); });
  if (t_freeing) return 0;
  Domain& d = domain();
  while (d.collecting.exchange(true, std::memory_order_acquire)) d.collecting.wait(true);
  const std::size_t freed = free_all(take_passed(nullptr));
  d.collecting.store(false, std::memory_order_release);
  d.collecting.notify_all();
  return freed;
}

Epoch::Pending Epoch::pending() noexcept {
  // What was freed before what was retired, so that the difference is never below zero.
  Pending freed;
  detail::for_each_epoch_slot([&](const Slot& slot) {
    freed.records += slot.freed_records.load(std::memory_order_acquire);
    freed.bytes += slot.freed_bytes.load(std::memory_order_acquire);
  });
  Pending retired;
  detail::for_each_epoch_slot([&](const Slot& slot) {
    retired.records += slot.records.load(std::memory_order_relaxed);
    retired.bytes += slot.bytes.load(std::memory_order_relaxed);
  });
  return {retired.records - freed.records, retired.bytes - freed.bytes};
}

}  // namespace podkeeper::base
