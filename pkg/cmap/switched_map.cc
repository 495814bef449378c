#include "pkg/cmap/switched_map.h"

#include <string>

namespace podkeeper::cmap {

using base::Epoch;
using detail::AnyMap;
using detail::Switchover;

SwitchedMap::SwitchedMap(const MapOptions& options, const char* partition)
    : partition_(partition),
      strategy_(options.strategy),
      current_(detail::make_map(options).release()) {}

SwitchedMap::~SwitchedMap() { delete current_.load(std::memory_order_acquire); }

base::Result<Migration> SwitchedMap::migrate(const MapOptions& to) {
  return migrate(to, [](auto& current, auto table, Counters& counters) {
    return std::make_unique<Switchover>(current, std::move(table), counters);
  });
}

base::Result<Migration> SwitchedMap::migrate(const MapOptions& to, const MakeSwitchover& make) {
  {
    base::Lock lock(mutex_);
    if (phase_ != MigrationPhase::kNone) {
      return base::Error{base::ErrorCode::kConflict,
                         "this map is migrating already (" + std::string(to_string(phase_)) +
                             "); begin another migration when that one has ended"};
    }
    phase_ = MigrationPhase::kAnnounced;
  }
  try {
    auto switchover = make(current_, detail::make_map(to), counters_);
    {
      base::Lock lock(mutex_);
      running_ = switchover.get();
    }
    switchover_.store(switchover.get(), std::memory_order_release);
    return Migration(*this, std::move(switchover), to.strategy);
  } catch (...) {
    enter(MigrationPhase::kNone);
    throw;
  }
}

void SwitchedMap::enter(MigrationPhase phase) noexcept {
  base::Lock lock(mutex_);
  phase_ = phase;
}

void SwitchedMap::end_switchover(bool flipped) noexcept {
  switchover_.store(nullptr, std::memory_order_release);
  base::Lock lock(mutex_);
  ++(flipped ? migrations_ : aborted_);
}

void SwitchedMap::forget(std::unique_ptr<Switchover> switchover) noexcept {
  const MapStats gone = switchover->idle().stats();
  {
    base::Lock lock(mutex_);
    contended_before_ += gone.contended;
    running_ = nullptr;
    phase_ = MigrationPhase::kNone;
  }
  try {
    // Writers and stats() may still be in it.
    Epoch::retire(
        switchover.get(), [](const void* p) { delete static_cast<const Switchover*>(p); },
        gone.table_bytes);
  } catch (...) {
    // No memory even to note what is to be freed: it is lost, which is better than to end here.
  }
  (void)switchover.release();
}

MapStats SwitchedMap::stats() const {
  const Epoch::Guard guard;
  MapStats own;
  counters_.report(own);
  const Switchover* running = nullptr;
  {
    base::Lock lock(mutex_);
    own.migration = phase_;
    own.migrations = migrations_;
    own.migrations_aborted = aborted_;
    own.contended += contended_before_;
    running = running_;
  }
  const AnyMap* serving = &current();
  const AnyMap* idle = running == nullptr ? nullptr : &running->idle();
  if (serving == idle) serving = &current();  // they changed places between the two loads
  const MapStats table = serving->stats();
  own.strategy = table.strategy;
  own.shards = table.shards;
  own.hash = table.hash;
  own.entries = table.entries;
  own.table_bytes = table.table_bytes;
  own.record_bytes = table.record_bytes;
  own.contended += table.contended;
  if (idle != nullptr) {
    const MapStats other = idle->stats();
    own.table_bytes += other.table_bytes;
    own.contended += other.contended;
  }
  return own;
}

}  // namespace podkeeper::cmap
