#pragma once

#include "pkg/base/epoch.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/base/thread_annotations.h"
#include "pkg/cmap/counters.h"
#include "pkg/cmap/record.h"
#include "pkg/cmap/strategy.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace podkeeper::cmap::detail {

/// What a map's writers go through while it changes from one table to another, and the steps of
/// that change. Readers know nothing of it: they look into `current`, which changes once.
///
/// Why no change is lost. A writer holds the stripe of its key, one of 32 mutexes, while it changes
/// its table or both: here alone a lock is taken under another, the table's own under the stripe,
/// always in this order. Who changes the route takes all stripes, in their order, for a few
/// microseconds in which only writers wait; so nobody is in the middle of a write then. The route:
///   kOld   the old table alone. Writers that did not hear of the switchover do the same without a
///          stripe; the route must not leave kOld before they are gone (Epoch::passed).
///   kBoth  the old table decides and answers; what it changed is then done to the new one. A key
///          is copied under its stripe, by what the old table holds at that moment, and only where
///          the new one lacks it. After a whole walk both hold the same at the end of every write.
///   kNew   the new table alone; readers look there from the same moment on. A reader that loaded
///          the old table before may still finish there: what it finds was current when it began
///          or later.
/// A key is copied along with those of its stripe near it, at most kCopiedAtOnce of all stripes:
/// the stripe is held for these few, and so is a lock that the new table has. The copy itself takes
/// no lock of the old table that a reader could hold (see SettledAccess): under the stripe nobody
/// writes the key, and what the walk misses of a key that is written meanwhile, its writer brings.
/// abandon() goes back from kBoth to kOld; the new table then means nothing to anybody.
///
/// If the new table cannot take a change (no memory), its writer does not suffer: the switchover
/// has failed, and can only be abandoned.
///
/// The steps are virtual so that tests can break one at a time.
class Switchover {
 public:
  /// `current` holds the old table, which this owns from flip() on; until then it owns `to`.
  Switchover(std::atomic<AnyMap*>& current, std::unique_ptr<AnyMap> to, Counters& counters);
  virtual ~Switchover() = default;
  Switchover(const Switchover&) = delete;
  Switchover& operator=(const Switchover&) = delete;

  // Writers, any thread, under the guard that found this switchover.
  virtual bool put(const base::Epoch::Guard& guard, base::Ref<const Record> record);
  virtual bool erase(const base::Epoch::Guard& guard, const Key& key);
  virtual bool compare_and_put(const base::Epoch::Guard& guard, const Record* expected,
                               base::Ref<const Record> record);
  virtual bool compare_and_erase(const base::Epoch::Guard& guard, const Key& key,
                                 const Record* expected);

  // The steps, one caller at a time, in this order.
  [[nodiscard]] virtual bool grace_over(base::Epoch::Mark mark) const;
  /// kOld to kBoth, once the writers without a stripe are gone.
  virtual void begin_mirroring();
  /// Copies some stretches, of about `budget` records (at most kCopiedAtOnce) and one stretch more
  /// at most, and gives the next one's position; adds to `*copied`.
  virtual std::optional<std::uint64_t> copy_stretches(std::uint64_t position, std::size_t budget,
                                                      std::size_t* copied);
  /// kBoth to kNew, after the last stretch. Throws what failed; then nothing has changed.
  virtual void flip();
  /// To kOld, instead of flip().
  virtual void abandon() noexcept;
  /// After flip() or abandon(), once nobody can be in the table that lost: empties one stretch of
  /// it and gives the next one's position; adds to `*erased`.
  virtual std::optional<std::uint64_t> dismantle_stretch(std::uint64_t position,
                                                         std::size_t* erased);

  /// The table that does not serve readers: the new one until flip(), then the old one.
  [[nodiscard]] const AnyMap& idle() const noexcept {
    return *idle_.load(std::memory_order_acquire);
  }

  static constexpr std::size_t kCopiedAtOnce = 4'096;

 protected:
  /// The flip holds all of them; ThreadSanitizer follows at most 64 locks of one thread.
  static constexpr std::size_t kStripes = 32;
  enum class Route { kOld, kBoth, kNew };
  class OneStripe;
  class AllStripes;

  [[nodiscard]] virtual std::size_t stripe_of(const Key& key) const;
  /// Copies what the keys of these records hold, where they still hold something. All are of one
  /// stripe, which it takes.
  virtual void copy(const base::Epoch::Guard& guard, std::span<const Record* const> seen);
  /// Does to the new table what was done to the old one, under the key's stripe.
  virtual void mirror_put(base::Ref<const Record> record) noexcept;
  virtual void mirror_erase(const Key& key) noexcept;

  [[nodiscard]] Route route() const noexcept { return route_.load(std::memory_order_relaxed); }
  void set_route(Route route) noexcept { route_.store(route, std::memory_order_relaxed); }
  /// What flip() does while nobody writes.
  void change_tables() noexcept;

  std::atomic<AnyMap*>& current_;
  AnyMap& from_;
  AnyMap& to_;

 private:
  struct alignas(64) Stripe {
    base::Mutex mutex;
  };

  void note_failure() noexcept;
  void throw_failure();

  /// Read under any stripe, written under all of them: atomic only for tests that break this.
  std::atomic<Route> route_{Route::kOld};
  Counters& counters_;
  std::unique_ptr<AnyMap> owned_;
  std::atomic<AnyMap*> idle_;
  std::array<Stripe, kStripes> stripes_;
  // The copier's, kept for their memory.
  std::vector<const Record*> seen_;
  std::array<std::vector<const Record*>, kStripes> seen_of_stripe_;
  std::vector<Key> keys_;
  std::vector<const Record*> held_;
  base::Mutex failure_mutex_;
  std::exception_ptr failure_ PK_GUARDED_BY(failure_mutex_);  ///< what a mirror threw first
};

}  // namespace podkeeper::cmap::detail
