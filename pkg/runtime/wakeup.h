#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"

#include <memory>
#include <vector>

namespace podkeeper::runtime {

/// An auto-reset event for one waiting task and any number of notifiers on any thread. A notify()
/// that comes while nobody waits is kept for the next wait; several are one. Notifying never runs
/// the waiter inline. A second wait while one is under way is a bug (PK_CHECK).
class Wakeup {
 public:
  explicit Wakeup(base::Clock& clock);
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;
  void notify();
  /// True after a notify(), false at the deadline. A stop of the task throws operation_aborted.
  base::Task<bool> wait_until(base::MonotonicTime deadline);
  base::Task<void> wait();

 private:
  friend class WakeupList;
  struct State;
  std::shared_ptr<State> state_;
};

/// Many waiters on one thing that changes: each subscribes its own Wakeup and may wait for several
/// things at once. Thread-safe; notify_all() is O(subscribers). How many there may be is its
/// owner's limit (connections, watches).
class WakeupList {
 public:
  class Subscription {
   public:
    Subscription() = default;
    Subscription(Subscription&& other) noexcept;
    Subscription& operator=(Subscription&& other) noexcept;
    ~Subscription();

   private:
    friend class WakeupList;
    struct Impl;
    std::shared_ptr<Impl> impl_;
  };
  WakeupList();
  ~WakeupList();
  WakeupList(const WakeupList&) = delete;
  WakeupList& operator=(const WakeupList&) = delete;
  /// Until the subscription is dropped or `wakeup` ends, notify_all() notifies it.
  [[nodiscard]] Subscription subscribe(Wakeup& wakeup);
  void notify_all();
  [[nodiscard]] std::size_t size() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace podkeeper::runtime
