#include "pkg/runtime/wakeup.h"

#include "pkg/base/panic.h"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace podkeeper::runtime {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

enum class Outcome { kPending, kNotified, kAborted };

/// One wait under way. The clock's timer owns it; whoever ends the wait early takes it from the
/// timer and posts it.
struct Wait {
  Wait(base::Executor e, asio::any_completion_handler<void(error_code, bool)> h)
      : executor(std::move(e)), handler(std::move(h)) {}
  base::Executor executor;
  asio::any_completion_handler<void(error_code, bool)> handler;  ///< used on `executor` only
  base::Clock::TimerId timer = 0;
};

}  // namespace

struct Wakeup::State : std::enable_shared_from_this<Wakeup::State> {
  explicit State(base::Clock& c) : clock(c) {}

  base::Clock& clock;
  base::Mutex mutex;
  bool notified PK_GUARDED_BY(mutex) = false;
  // Weak: the wait's handler owns the waiting task, and that may own this Wakeup.
  std::weak_ptr<Wait> waiting PK_GUARDED_BY(mutex);
  Outcome outcome PK_GUARDED_BY(mutex) =
      Outcome::kPending;  ///< of `waiting`, once it was ended early

  bool take_or_check() {
    base::Lock lock(mutex);
    PK_CHECK(waiting.expired(), "a Wakeup serves one waiting task at a time");
    return std::exchange(notified, false);
  }

  /// Ends the wait under way with `how`; without one, a notify is kept.
  void end(Outcome how) {
    std::shared_ptr<Wait> wait;
    {
      base::Lock lock(mutex);
      wait = waiting.lock();
      if (!wait || outcome != Outcome::kPending) {
        if (how == Outcome::kNotified) notified = true;
        return;
      }
      outcome = how;
    }
    wake(std::move(wait));
  }

  /// Brings the wait to its executor, unless its timer is on the way there already.
  void wake(std::shared_ptr<Wait> wait) {
    if (!clock.cancel(wait->timer)) return;
    const base::Executor executor = wait->executor;
    asio::post(executor,
               [self = shared_from_this(), wait = std::move(wait)] { self->finish(*wait); });
  }

  /// Runs on the wait's executor, once for each wait.
  void finish(Wait& wait) {
    Outcome how = Outcome::kPending;
    {
      base::Lock lock(mutex);
      how = std::exchange(outcome, Outcome::kPending);
      waiting.reset();
    }
    const error_code ec =
        how == Outcome::kAborted ? error_code(asio::error::operation_aborted) : error_code();
    std::move(wait.handler)(ec, how == Outcome::kNotified);
  }

  template <class Handler>
  void start(base::MonotonicTime deadline, const base::Executor& executor, Handler handler) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    auto wait = std::make_shared<Wait>(executor, std::move(handler));
    wait->timer = clock.call_at(deadline, executor,
                                [self = shared_from_this(), wait] { self->finish(*wait); });
    bool already = false;
    {
      base::Lock lock(mutex);
      waiting = wait;
      already = std::exchange(notified, false);
      if (already) outcome = Outcome::kNotified;
    }
    if (already) return wake(std::move(wait));
    if (slot.is_connected()) {
      slot.assign([weak = weak_from_this()](asio::cancellation_type) {
        if (auto self = weak.lock()) self->end(Outcome::kAborted);
      });
    }
  }
};

Wakeup::Wakeup(base::Clock& clock) : state_(std::make_shared<State>(clock)) {}
Wakeup::~Wakeup() = default;

void Wakeup::notify() { state_->end(Outcome::kNotified); }

base::Task<bool> Wakeup::wait_until(base::MonotonicTime deadline) {
  const auto state = state_;
  if (state->take_or_check()) co_return true;
  const base::Executor executor = co_await asio::this_coro::executor;
  auto wait =
      asio::async_initiate<const asio::use_awaitable_t<base::Executor>&, void(error_code, bool)>(
          [state, deadline, executor](auto handler) {
            state->start(deadline, executor, std::move(handler));
          },
          asio::use_awaitable_t<base::Executor>{});
  co_return co_await std::move(wait);
}

base::Task<void> Wakeup::wait() {
  auto wait = wait_until(base::MonotonicTime::max());
  co_await std::move(wait);
}

struct WakeupList::State {
  base::Mutex mutex;
  std::uint64_t next_id PK_GUARDED_BY(mutex) = 1;
  std::map<std::uint64_t, std::weak_ptr<Wakeup::State>> wakeups PK_GUARDED_BY(mutex);
};

struct WakeupList::Subscription::Impl {
  std::shared_ptr<State> list;
  std::uint64_t id = 0;
  ~Impl() {
    base::Lock lock(list->mutex);
    list->wakeups.erase(id);
  }
};

WakeupList::Subscription::Subscription(Subscription&& other) noexcept = default;
WakeupList::Subscription& WakeupList::Subscription::operator=(Subscription&& other) noexcept =
    default;
WakeupList::Subscription::~Subscription() = default;

WakeupList::WakeupList() : state_(std::make_shared<State>()) {}
WakeupList::~WakeupList() = default;

WakeupList::Subscription WakeupList::subscribe(Wakeup& wakeup) {
  Subscription subscription;
  subscription.impl_ = std::make_shared<Subscription::Impl>();
  subscription.impl_->list = state_;
  base::Lock lock(state_->mutex);
  subscription.impl_->id = state_->next_id++;
  state_->wakeups.emplace(subscription.impl_->id, wakeup.state_);
  return subscription;
}

void WakeupList::notify_all() {
  std::vector<std::shared_ptr<Wakeup::State>> all;
  {
    base::Lock lock(state_->mutex);
    all.reserve(state_->wakeups.size());
    for (const auto& [id, wakeup] : state_->wakeups) {
      if (auto alive = wakeup.lock()) all.push_back(std::move(alive));
    }
  }
  for (const auto& wakeup : all) wakeup->end(Outcome::kNotified);
}

std::size_t WakeupList::size() const {
  base::Lock lock(state_->mutex);
  return state_->wakeups.size();
}

}  // namespace podkeeper::runtime
