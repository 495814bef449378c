#include "pkg/base/clock.h"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <memory>
#include <utility>

namespace podkeeper::base {

namespace asio = boost::asio;

Task<void> Clock::sleep_until(MonotonicTime when) {
  const Executor executor = co_await asio::this_coro::executor;
  auto wait =
      asio::async_initiate<const asio::use_awaitable_t<Executor>&, void(boost::system::error_code)>(
          [this, when, executor](auto handler) {
            // Shared by the timer and the stop: both run on `executor`, whoever comes first
            // completes the handler.
            using Handler = decltype(handler);  // g++: the member below may not change its meaning
            struct State {
              explicit State(Handler&& h) : handler(std::move(h)) {}
              Handler handler;
              bool done = false;
            };
            auto slot = asio::get_associated_cancellation_slot(handler);
            auto state = std::make_shared<State>(std::move(handler));
            const auto finish = [state](boost::system::error_code ec) {
              if (!std::exchange(state->done, true)) std::move(state->handler)(ec);
            };
            const TimerId id = call_at(when, executor, [finish] { finish({}); });
            if (slot.is_connected()) {
              // Weak: the slot lives in the task that the handler owns, and would keep it alive for
              // ever.
              auto weak = std::weak_ptr<State>(state);
              slot.assign([this, id, executor, weak](asio::cancellation_type) {
                auto waiting = weak.lock();
                if (!waiting || !cancel(id)) return;
                asio::post(executor, [waiting] {
                  if (!std::exchange(waiting->done, true)) {
                    std::move(waiting->handler)(asio::error::operation_aborted);
                  }
                });
              });
            }
          },
          asio::use_awaitable_t<Executor>{});
  co_await std::move(wait);
}

}  // namespace podkeeper::base
