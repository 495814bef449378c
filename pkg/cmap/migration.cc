#include "pkg/cmap/migration.h"

#include "pkg/cmap/probes.h"
#include "pkg/cmap/switched_map.h"

#include <algorithm>

namespace podkeeper::cmap {

using base::Epoch;

Migration::Migration(SwitchedMap& map, std::unique_ptr<detail::Switchover> switchover,
                     Strategy to) noexcept
    : map_(&map),
      switchover_(std::move(switchover)),
      from_(map.strategy()),
      to_(to),
      mark_(Epoch::mark()) {
  progress_.phase = MigrationPhase::kAnnounced;
  tell_tracers();
}

Migration::~Migration() {
  if (!switchover_) return;
  abort();
  end();
}

Migration::Step Migration::step(std::size_t budget) {
  if (!switchover_) return Step::kDone;
  const probes::Scope scope(map_->partition_);
  switch (progress_.phase) {
    case MigrationPhase::kAnnounced:
      return announced();
    case MigrationPhase::kCopying:
      return copy(budget);
    case MigrationPhase::kRetiring:
      return dismantle(budget);
    case MigrationPhase::kNone:
      break;
  }
  return Step::kDone;
}

Migration::Step Migration::announced() {
  if (!switchover_->grace_over(mark_)) return Step::kWaiting;
  switchover_->begin_mirroring();
  progress_.entries = map_->size();
  enter(MigrationPhase::kCopying);
  return Step::kMore;
}

Migration::Step Migration::copy(std::size_t budget) {
  for (std::size_t spent = 0; spent < budget;) {
    const std::size_t before = progress_.copied;
    const auto next = switchover_->copy_stretches(position_, budget - spent, &progress_.copied);
    if (!next) {
      switchover_->flip();
      progress_.flipped = true;
      map_->strategy_.store(to_, std::memory_order_relaxed);
      map_->end_switchover(true);
      lose_the_idle_table();
      return Step::kMore;
    }
    position_ = *next;
    spent += std::max<std::size_t>(progress_.copied - before, 1);
  }
  return Step::kMore;
}

void Migration::abort() noexcept {
  const bool on_the_way =
      progress_.phase == MigrationPhase::kAnnounced || progress_.phase == MigrationPhase::kCopying;
  if (!switchover_ || !on_the_way) return;
  switchover_->abandon();
  map_->end_switchover(false);
  lose_the_idle_table();
}

void Migration::lose_the_idle_table() noexcept {
  mark_ = Epoch::mark();
  position_ = 0;
  idle_is_free_ = false;
  enter(MigrationPhase::kRetiring);
}

Migration::Step Migration::dismantle(std::size_t budget) {
  idle_is_free_ = idle_is_free_ || switchover_->grace_over(mark_);
  if (!idle_is_free_) return Step::kWaiting;
  try {
    for (std::size_t spent = 0; spent < budget; ++spent) {
      const auto next = switchover_->dismantle_stretch(position_, &spent);
      if (!next) {
        end();
        return Step::kDone;
      }
      position_ = *next;
    }
  } catch (...) {
    end();  // no memory for a smaller table: the reclaimer frees what is left in one piece
    return Step::kDone;
  }
  return Step::kMore;
}

void Migration::enter(MigrationPhase phase) noexcept {
  progress_.phase = phase;
  map_->enter(phase);
  tell_tracers();
}

void Migration::end() noexcept {
  progress_.phase = MigrationPhase::kNone;
  tell_tracers();
  map_->forget(std::move(switchover_));
}

void Migration::tell_tracers() const noexcept {
  if (podkeeper_migrate_semaphore == 0) return;
  probes::migrates({.partition = map_->partition_,
                    .from = to_string(from_),
                    .to = to_string(to_),
                    .phase = to_string(progress_.phase),
                    .copied = progress_.copied,
                    .flipped = progress_.flipped});
}

}  // namespace podkeeper::cmap
