#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/base/world.h"
#include "pkg/runtime/wakeup.h"
#include "pkg/runtime/work_queue_metrics.h"
#include "pkg/telemetry/metrics.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace podkeeper::runtime {

struct WorkQueueOptions {
  static constexpr std::size_t kKeysMax = 1'000'000;

  std::string name = "queue";  ///< the label of its metrics
  base::Duration backoff_first = std::chrono::milliseconds(5);
  base::Duration backoff_max = std::chrono::seconds(1000);
  std::size_t keys_max = kKeysMax;        ///< waiting or delayed at once
  telemetry::Metrics* metrics = nullptr;  ///< outlives the queue
};

/// backoff_first doubled `failures` times, at most backoff_max: client-go's per-item exponential
/// failure rate limiter.
base::Duration retry_delay(const WorkQueueOptions& options, std::size_t failures);

/// Keys that need work, as client-go's work queue: a key waits at most once and is worked on at
/// most once; what is added while its key is in work waits until done(), so nothing added is lost.
/// First in, first out.
///
/// At keys_max waiting or delayed keys, a further key is refused: the add says false and
/// overflowed() tells, once, that someone must look at everything again. Any thread; every call is
/// O(1) (O(log delayed) with a delay).
template <class Key>
class WorkQueue {
 public:
  explicit WorkQueue(base::World& world, WorkQueueOptions options = {})
      : state_(std::make_shared<State>(world, std::move(options))) {
    if (state_->options.metrics == nullptr) return;
    refresh_ = state_->options.metrics->on_scrape([weak = std::weak_ptr<State>(state_)] {
      if (const auto state = weak.lock()) state->tell_in_work();
    });
  }

  /// False when the key was refused: the queue is full or shut down.
  bool add(Key key) { return state_->add(std::move(key)); }
  /// Adds the key after `delay`. A key is delayed once: the earlier moment counts.
  bool add_after(Key key, base::Duration delay) { return state_->add_after(std::move(key), delay); }
  /// Adds the key after its backoff, and makes its next one longer.
  bool add_rate_limited(Key key) {
    const base::Duration delay = state_->count_failure(key);
    return add_after(std::move(key), delay);
  }
  /// The key went well: its backoff starts over.
  void forget(const Key& key) { state_->forget(key); }
  /// How often the key was added rate-limited since it went well.
  [[nodiscard]] std::size_t failures(const Key& key) const { return state_->failures_of(key); }

  /// The next key, which is in work until done(); empty when the queue was shut down and nothing
  /// waits any more. Any number of workers may wait; a stop of the worker throws operation_aborted
  /// and loses no key.
  base::Task<std::optional<Key>> get() {
    const auto state = state_;
    for (;;) {
      const Place place(*state);
      std::optional<Key> key;
      if (state->take(key, place.wakeup)) co_return key;
      auto wait = place.wakeup->wait();
      co_await std::move(wait);
    }
  }
  /// The work on the key ended; if it was added meanwhile, it waits again.
  void done(const Key& key) { state_->done(key); }

  /// No more keys are taken in; workers get what waits, then nothing. Delayed keys are dropped.
  void shut_down() { state_->shut_down(); }

  [[nodiscard]] std::size_t length() const { return state_->length(); }  ///< waiting
  [[nodiscard]] std::size_t delayed() const { return state_->delayed_keys(); }
  [[nodiscard]] std::size_t in_work() const { return state_->keys_in_work(); }
  /// Whether a key was refused since the last call.
  bool take_overflowed() { return state_->take_overflowed(); }

 private:
  struct State;
  using WakeupPtr = std::shared_ptr<Wakeup>;
  struct Delayed {
    base::MonotonicTime when;
    std::uint64_t turn = 0;          ///< which add_after set it
    base::Clock::TimerId timer = 0;  ///< 0 while it is being set
  };

  /// A worker's place in the line of those who wait for a key. Who leaves the line after being
  /// woken, for whatever reason, wakes the next one if there still is work.
  struct Place {
    explicit Place(State& s) : state(s), wakeup(std::make_shared<Wakeup>(s.clock)) {}
    ~Place() { state.leave(wakeup); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    State& state;
    const WakeupPtr wakeup;
  };

  struct State : std::enable_shared_from_this<State> {
    State(base::World& world, WorkQueueOptions o)
        : clock(world.clock()),
          executor(world.make_executor()),
          options(std::move(o)),
          metrics(options.metrics, options.name) {}

    base::Clock& clock;
    const base::Executor executor;  ///< delayed keys arrive here
    const WorkQueueOptions options;
    WorkQueueMetrics metrics;
    mutable base::Mutex mutex;
    std::deque<Key> waiting PK_GUARDED_BY(mutex);
    /// Keys that need work, and since when: those that wait, and those added while in work.
    std::unordered_map<Key, base::MonotonicTime> dirty PK_GUARDED_BY(mutex);
    std::unordered_map<Key, base::MonotonicTime> working PK_GUARDED_BY(mutex);
    std::unordered_map<Key, Delayed> later PK_GUARDED_BY(mutex);
    std::unordered_map<Key, std::size_t> failed PK_GUARDED_BY(mutex);
    std::deque<WakeupPtr> line PK_GUARDED_BY(mutex);
    std::uint64_t next_turn PK_GUARDED_BY(mutex) = 1;
    bool ended PK_GUARDED_BY(mutex) = false;
    bool overflowed PK_GUARDED_BY(mutex) = false;

    bool add(Key key) {
      const base::MonotonicTime now = clock.now();
      WakeupPtr next;
      {
        base::Lock lock(mutex);
        if (ended) return false;
        if (dirty.contains(key)) return true;
        if (full()) return refuse();
        next = mark(std::move(key), now);
      }
      if (next) next->notify();
      return true;
    }

    bool add_after(Key key, base::Duration delay) {
      if (delay <= base::Duration::zero()) return add(std::move(key));
      const base::MonotonicTime when = clock.now() + delay;
      std::uint64_t turn = 0;
      base::Clock::TimerId old = 0;
      {
        base::Lock lock(mutex);
        if (ended) return false;
        const auto found = later.find(key);
        if (found != later.end() && found->second.when <= when) return true;
        if (found == later.end() && full()) return refuse();
        turn = next_turn++;
        old = std::exchange(later[key], Delayed{when, turn}).timer;
      }
      if (old != 0) clock.cancel(old);
      const auto timer = clock.call_at(when, executor, [weak = this->weak_from_this(), key, turn] {
        if (const auto self = weak.lock()) self->arrive(key, turn);
      });
      base::Lock lock(mutex);
      const auto found = later.find(key);
      if (found != later.end() && found->second.turn == turn) found->second.timer = timer;
      return true;
    }

    /// A delayed key's time came, unless a later call gave it an earlier one.
    void arrive(const Key& key, std::uint64_t turn) {
      WakeupPtr next;
      {
        base::Lock lock(mutex);
        const auto found = later.find(key);
        if (found == later.end() || found->second.turn != turn) return;
        const base::MonotonicTime when = found->second.when;
        later.erase(found);
        if (!ended && !dirty.contains(key)) next = mark(key, when);
      }
      if (next) next->notify();
    }

    base::Duration count_failure(const Key& key) {
      metrics.retried();
      base::Lock lock(mutex);
      // As many keys may be remembered as may wait; one more is retried as if it failed first.
      if (failed.size() >= options.keys_max && !failed.contains(key)) return options.backoff_first;
      return retry_delay(options, failed[key]++);
    }
    void forget(const Key& key) {
      base::Lock lock(mutex);
      failed.erase(key);
    }
    std::size_t failures_of(const Key& key) const {
      base::Lock lock(mutex);
      const auto found = failed.find(key);
      return found == failed.end() ? 0 : found->second;
    }

    /// True when the asking is over: with a key, or without because of the end. Else `wakeup`
    /// stands in line.
    bool take(std::optional<Key>& key, const WakeupPtr& wakeup) {
      const base::MonotonicTime now = clock.now();
      base::Duration waited{};
      {
        base::Lock lock(mutex);
        if (waiting.empty()) {
          if (!ended) line.push_back(wakeup);
          return ended;
        }
        key = std::move(waiting.front());
        waiting.pop_front();
        metrics.depth(waiting.size());
        const auto since = dirty.find(*key);
        waited = now - since->second;
        dirty.erase(since);
        working.emplace(*key, now);
      }
      metrics.taken(waited);
      return true;
    }

    void leave(const WakeupPtr& wakeup) {
      WakeupPtr next;
      {
        base::Lock lock(mutex);
        if (std::erase(line, wakeup) == 0 && !waiting.empty()) next = pop_line();
      }
      if (next) next->notify();
    }

    void done(const Key& key) {
      const base::MonotonicTime now = clock.now();
      base::Duration worked{};
      WakeupPtr next;
      {
        base::Lock lock(mutex);
        const auto found = working.find(key);
        if (found == working.end()) return;
        worked = now - found->second;
        working.erase(found);
        if (dirty.contains(key)) next = wait_in_queue(key);
      }
      metrics.done(worked);
      if (next) next->notify();
    }

    void shut_down() {
      std::unordered_map<Key, Delayed> dropped;
      std::deque<WakeupPtr> woken;
      {
        base::Lock lock(mutex);
        ended = true;
        dropped.swap(later);
        woken.swap(line);
      }
      for (const WakeupPtr& wakeup : woken) wakeup->notify();
      for (const auto& [key, delayed] : dropped) clock.cancel(delayed.timer);
    }

    std::size_t length() const {
      base::Lock lock(mutex);
      return waiting.size();
    }
    std::size_t delayed_keys() const {
      base::Lock lock(mutex);
      return later.size();
    }
    std::size_t keys_in_work() const {
      base::Lock lock(mutex);
      return working.size();
    }
    bool take_overflowed() {
      base::Lock lock(mutex);
      return std::exchange(overflowed, false);
    }

    void tell_in_work() {
      const base::MonotonicTime now = clock.now();
      base::Duration all{};
      base::Duration longest{};
      base::Lock lock(mutex);
      for (const auto& [key, since] : working) {
        all += now - since;
        longest = std::max(longest, now - since);
      }
      metrics.in_work(all, longest);
    }

    bool full() const PK_REQUIRES(mutex) { return dirty.size() + later.size() >= options.keys_max; }
    bool refuse() PK_REQUIRES(mutex) {
      overflowed = true;
      return false;
    }
    /// These give the worker to be woken, once the lock is released; null if none waits.
    WakeupPtr mark(Key key, base::MonotonicTime now) PK_REQUIRES(mutex) {
      metrics.added();
      const auto entry = dirty.emplace(std::move(key), now).first;
      return working.contains(entry->first) ? nullptr : wait_in_queue(entry->first);
    }
    WakeupPtr wait_in_queue(const Key& key) PK_REQUIRES(mutex) {
      waiting.push_back(key);
      metrics.depth(waiting.size());
      return pop_line();
    }
    WakeupPtr pop_line() PK_REQUIRES(mutex) {
      if (line.empty()) return nullptr;
      WakeupPtr next = std::move(line.front());
      line.pop_front();
      return next;
    }
  };

  std::shared_ptr<State> state_;
  std::shared_ptr<void> refresh_;
};

}  // namespace podkeeper::runtime
