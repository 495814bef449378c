#include "pkg/base/epoch.h"

#include "pkg/base/epoch_slots.h"

#include <algorithm>
#include <limits>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace podkeeper::base {
namespace detail {

constinit thread_local EpochPin* EpochPin::of_thread = nullptr;
alignas(64) constinit std::atomic<std::uint64_t> epoch_now{1};
constinit std::atomic<EpochSlot*> epoch_slots{nullptr};

#ifndef __has_feature  // g++ says it with __SANITIZE_THREAD__
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
const bool epoch_asymmetric = false;
#else
const bool epoch_asymmetric =
    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
#endif

namespace {

/// The reclaimer's half of the barrier.
void heavy_barrier() {
  if (epoch_asymmetric) {
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
  } else {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
}

EpochSlot& take_slot() {
  for (EpochSlot* s = epoch_slots.load(std::memory_order_acquire); s != nullptr; s = s->next) {
    bool free = false;
    if (s->taken.compare_exchange_strong(free, true, std::memory_order_acq_rel)) return *s;
  }
  auto* slot = new EpochSlot();
  slot->next = epoch_slots.load(std::memory_order_relaxed);
  while (!epoch_slots.compare_exchange_weak(slot->next, slot, std::memory_order_acq_rel)) {
  }
  return *slot;
}

/// The thread's hold on its slot.
struct Lease {
  EpochSlot* slot = nullptr;
  ~Lease() {
    if (slot == nullptr) return;
    disown_epoch_work(*slot);
    slot->task.store(0, std::memory_order_relaxed);
    EpochPin::of_thread = nullptr;
    std::exchange(slot, nullptr)->taken.store(false, std::memory_order_release);
  }
};

std::uint64_t pinned(const EpochPin& pin) {
  return epoch_asymmetric ? pin.pinned.load(std::memory_order_acquire)
                          : pin.pinned.load(std::memory_order_seq_cst);
}

}  // namespace

EpochPin& EpochPin::make() {
  thread_local Lease lease;
  lease.slot = &take_slot();
  of_thread = lease.slot;
  return *of_thread;
}

std::uint64_t oldest_epoch_guard() {
  heavy_barrier();
  std::uint64_t oldest = std::numeric_limits<std::uint64_t>::max();
  for_each_epoch_slot([&](const EpochSlot& slot) {
    if (const std::uint64_t epoch = detail::pinned(slot); epoch != 0) {
      oldest = std::min(oldest, epoch);
    }
  });
  return oldest;
}

}  // namespace detail

Epoch::Mark Epoch::mark() noexcept {
  return detail::epoch_now.fetch_add(1, std::memory_order_seq_cst);
}

bool Epoch::passed(Mark mark) noexcept { return mark < detail::oldest_epoch_guard(); }

void Epoch::runs_task(std::uint64_t task_id) noexcept {
  detail::my_epoch_slot().task.store(task_id, std::memory_order_relaxed);
}

std::optional<Epoch::Holder> Epoch::oldest_holder() noexcept {
  std::optional<Holder> oldest;
  detail::for_each_epoch_slot([&](const detail::EpochSlot& slot) {
    const std::uint64_t epoch = detail::pinned(slot);
    if (epoch == 0 || (oldest && oldest->since <= epoch)) return;
    oldest = Holder{epoch, slot.task.load(std::memory_order_relaxed)};
  });
  return oldest;
}

}  // namespace podkeeper::base
