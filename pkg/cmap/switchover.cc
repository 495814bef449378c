#include "pkg/cmap/switchover.h"

#include <algorithm>
#include <utility>

namespace podkeeper::cmap::detail {

using base::Epoch;

// The analysis sees neither which stripe is a key's nor a loop over all of them.

/// Holds the stripe of one key; counts when it had to wait.
class Switchover::OneStripe {
 public:
  OneStripe(Switchover& owner, const Key& key) PK_NO_THREAD_SAFETY_ANALYSIS
      : mutex_(owner.stripes_[owner.stripe_of(key)].mutex) {
    if (mutex_.try_lock()) return;
    owner.counters_.add(Counters::kContended);
    mutex_.lock();
  }
  ~OneStripe() PK_NO_THREAD_SAFETY_ANALYSIS { mutex_.unlock(); }
  OneStripe(const OneStripe&) = delete;
  OneStripe& operator=(const OneStripe&) = delete;

 private:
  base::Mutex& mutex_;
};

/// Holds all stripes: nobody is in the middle of a write.
class Switchover::AllStripes {
 public:
  explicit AllStripes(Switchover& owner) PK_NO_THREAD_SAFETY_ANALYSIS : owner_(owner) {
    for (Stripe& stripe : owner_.stripes_) stripe.mutex.lock();
  }
  ~AllStripes() PK_NO_THREAD_SAFETY_ANALYSIS {
    for (Stripe& stripe : owner_.stripes_) stripe.mutex.unlock();
  }
  AllStripes(const AllStripes&) = delete;
  AllStripes& operator=(const AllStripes&) = delete;

 private:
  Switchover& owner_;
};

Switchover::Switchover(std::atomic<AnyMap*>& current, std::unique_ptr<AnyMap> to,
                       Counters& counters)
    : current_(current),
      from_(*current.load(std::memory_order_acquire)),
      to_(*to),
      counters_(counters),
      owned_(std::move(to)),
      idle_(&to_) {}

std::size_t Switchover::stripe_of(const Key& key) const { return key.hash % kStripes; }

bool Switchover::put(const Epoch::Guard&, base::Ref<const Record> record) {
  const OneStripe lock(*this, record->key());
  if (route() == Route::kNew) return to_.put(std::move(record));
  if (route() == Route::kOld) return from_.put(std::move(record));
  const bool is_new = from_.put(record);
  mirror_put(std::move(record));
  return is_new;
}

bool Switchover::erase(const Epoch::Guard&, const Key& key) {
  const OneStripe lock(*this, key);
  if (route() == Route::kNew) return to_.erase(key);
  const bool erased = from_.erase(key);
  if (erased && route() == Route::kBoth) mirror_erase(key);
  return erased;
}

bool Switchover::compare_and_put(const Epoch::Guard& guard, const Record* expected,
                                 base::Ref<const Record> record) {
  const OneStripe lock(*this, record->key());
  if (route() == Route::kNew) return to_.compare_and_put(guard, expected, std::move(record));
  const bool done = from_.compare_and_put(guard, expected, record);
  if (done && route() == Route::kBoth) mirror_put(std::move(record));
  return done;
}

bool Switchover::compare_and_erase(const Epoch::Guard& guard, const Key& key,
                                   const Record* expected) {
  const OneStripe lock(*this, key);
  if (route() == Route::kNew) return to_.compare_and_erase(guard, key, expected);
  const bool done = from_.compare_and_erase(guard, key, expected);
  if (done && route() == Route::kBoth) mirror_erase(key);
  return done;
}

void Switchover::mirror_put(base::Ref<const Record> record) noexcept {
  try {
    to_.put(std::move(record));
  } catch (...) {
    note_failure();
  }
}

void Switchover::mirror_erase(const Key& key) noexcept {
  try {
    to_.erase(key);
  } catch (...) {
    note_failure();
  }
}

void Switchover::note_failure() noexcept {
  base::Lock lock(failure_mutex_);
  if (!failure_) failure_ = std::current_exception();
}

void Switchover::throw_failure() {
  base::Lock lock(failure_mutex_);
  if (failure_) std::rethrow_exception(failure_);
}

bool Switchover::grace_over(Epoch::Mark mark) const { return Epoch::passed(mark); }

void Switchover::begin_mirroring() {
  to_.reserve(from_.size());
  const AllStripes all(*this);
  set_route(Route::kBoth);
}

std::optional<std::uint64_t> Switchover::copy_stretches(std::uint64_t position, std::size_t budget,
                                                        std::size_t* copied) {
  throw_failure();
  const Epoch::Guard guard;
  budget = std::min(budget, kCopiedAtOnce);
  seen_.clear();
  std::optional<std::uint64_t> next = position;
  for (std::size_t spent = 0; next && spent < budget;) {
    const std::size_t before = seen_.size();
    next = from_.for_each_settled_from(guard, *next,
                                       [this](const Record& record) { seen_.push_back(&record); });
    spent += std::max<std::size_t>(seen_.size() - before, 1);
  }
  for (auto& of_stripe : seen_of_stripe_) of_stripe.clear();
  for (const Record* record : seen_) seen_of_stripe_[stripe_of(record->key())].push_back(record);
  for (const auto& of_stripe : seen_of_stripe_) {
    if (!of_stripe.empty()) copy(guard, of_stripe);
  }
  *copied += seen_.size();
  return next;
}

void Switchover::copy(const Epoch::Guard& guard, std::span<const Record* const> seen) {
  const OneStripe lock(*this, seen.front()->key());
  keys_.clear();
  for (const Record* record : seen) keys_.push_back(record->key());
  held_.assign(seen.size(), nullptr);
  from_.find_settled(guard, keys_, held_);
  std::erase(held_, nullptr);
  // Where the new table has the key already, a writer brought it.
  to_.put_absent(guard, held_);
}

void Switchover::flip() {
  const AllStripes all(*this);
  throw_failure();
  to_.reserve(0);
  change_tables();
}

void Switchover::change_tables() noexcept {
  current_.store(&to_, std::memory_order_release);
  (void)owned_.release();
  owned_.reset(&from_);
  idle_.store(&from_, std::memory_order_release);
  set_route(Route::kNew);
}

void Switchover::abandon() noexcept {
  const AllStripes all(*this);
  set_route(Route::kOld);
}

std::optional<std::uint64_t> Switchover::dismantle_stretch(std::uint64_t position,
                                                           std::size_t* erased) {
  return owned_->clear_from(position, erased);
}

}  // namespace podkeeper::cmap::detail
