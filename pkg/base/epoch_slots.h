#pragma once

#include "pkg/base/epoch.h"

#include <atomic>
#include <cstddef>
#include <cstdint>

/// The threads as base::Epoch sees them: shared by its guards (epoch.cc) and its batches
/// (epoch_batches.cc).
namespace podkeeper::base::detail {

struct EpochWork;

/// What one thread shows to the others. Slots are never freed, only handed to the next thread.
struct alignas(64) EpochSlot : EpochPin {
  std::atomic<bool> taken{true};
  std::atomic<std::uint64_t> task{0};  ///< id of the task that the thread runs; 0: none
  EpochSlot* next = nullptr;

  /// What it retired. Whoever works on it takes it out and leaves null: the owner for each record,
  /// a collector for good.
  alignas(64) std::atomic<EpochWork*> work{nullptr};
  // Ever, by all owners, each written by the owner alone: what they retired, and what they freed,
  // whoever retired that. The difference of the sums is pending.
  std::atomic<std::size_t> records{0};
  std::atomic<std::size_t> bytes{0};
  std::atomic<std::size_t> freed_records{0};
  std::atomic<std::size_t> freed_bytes{0};
};

extern constinit std::atomic<EpochSlot*> epoch_slots;

/// This thread's. What is retired after the thread's end, by static destruction, takes a slot of
/// its own.
inline EpochSlot& my_epoch_slot() { return static_cast<EpochSlot&>(EpochPin::mine()); }

template <class F>
void for_each_epoch_slot(F&& visit) {
  EpochSlot* slot = epoch_slots.load(std::memory_order_acquire);
  for (; slot != nullptr; slot = slot->next) visit(*slot);
}

/// The epoch of the oldest guard that is held, or the largest number. After its barrier every
/// thread has either shown its pin or sees what was unlinked before.
std::uint64_t oldest_epoch_guard();

/// Leaves what an ending thread retired to the others. Of epoch_batches.cc.
void disown_epoch_work(EpochSlot& slot);

}  // namespace podkeeper::base::detail
