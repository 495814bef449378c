#include "pkg/http/connection.h"
#include "pkg/recovery/guard.h"

#include <utility>

namespace podkeeper::http {
namespace {

/// Runs `leave` when the scope ends, however it ends.
template <class F>
class OnExit {
 public:
  explicit OnExit(F leave) : leave_(std::move(leave)) {}
  ~OnExit() { leave_(); }
  OnExit(const OnExit&) = delete;
  OnExit& operator=(const OnExit&) = delete;

 private:
  F leave_;
};

/// Owns the stream's function, and with it its captures, until it has ended.
base::Task<void> produce(StreamBody body, BodyWriter& writer) {
  auto producing = body(writer);
  co_await std::move(producing);
}

}  // namespace

base::Task<bool> Connection::write_stream(Exchange& exchange, Response response) {
  const bool chunked = exchange.version_minor == 1;
  if (!chunked || ending_) exchange.keep_alive = false;
  auto body = std::get<StreamBody>(std::exchange(response.body, std::string()));
  render_head(response, exchange, chunked, std::nullopt);
  core_->metrics.count(response);
  stream_->set_deadline(core_->world.clock().now() + core_->limits.stream_write_timeout);
  // Only render_head's own error has text here: the stream's head could not be sent.
  const auto& error_text = std::get<std::string>(response.body);
  const auto begun = co_await write_head_and(exchange.head_only ? "" : error_text);
  if (!begun) co_return false;
  if (exchange.head_only || !error_text.empty()) co_return exchange.keep_alive;
  stream_->set_deadline(base::MonotonicTime::max());

  StreamSession session(*core_, *stream_, chunked, writing_since_);
  session_ = &session;
  const OnExit ended([this] { session_ = nullptr; });
  if (ending_) session.ask_to_end();
  watch_peer();
  auto producing = produce(std::move(body), session);
  auto guarded = recovery::guard(base::Handler::kStream, std::move(producing));
  const auto outcome = co_await std::move(guarded);
  session.body_ended();
  // Without its last chunk the body is visibly cut: the client must not take what it has for the
  // whole.
  bool whole = outcome && !session.broken();
  if (whole) {
    const auto finished = co_await session.finish();
    whole = finished.has_value();
  }
  if (session.too_slow()) tell_cut(Phase::kStream, exchange.path);
  if (!whole) co_return false;
  co_await stop_watching_peer();
  co_return exchange.keep_alive && !session.broken() && !ending_;
}

void Connection::watch_peer() {
  watch_ended_.emplace(core_->world.clock());
  stop_watching_ = false;
  auto watch = [self = shared_from_this()] { return self->read_until_peer_ends(); };
  // Where no task is to be had, a client that leaves is noticed at the next write.
  watching_peer_ = core_->group
                       .spawn_on(executor_, "http/" + core_->name + "/" + peer_ + "/peer",
                                 base::Handler::kStream, std::move(watch))
                       .has_value();
}

base::Task<void> Connection::read_until_peer_ends() {
  const OnExit ended([this] {
    watching_peer_ = false;
    watch_ended_->notify();
  });
  // A pipelined request may come meanwhile; when the buffer is full of it, reading waits for the
  // stream's end.
  while (!stop_watching_ && !reader_.full()) {
    const auto got = co_await reader_.fill();
    if (got && *got > 0) continue;
    if (stop_watching_) co_return;
    if (session_ != nullptr) session_->peer_gone();
    co_return;
  }
}

base::Task<void> Connection::stop_watching_peer() {
  stop_watching_ = true;
  if (!watching_peer_) co_return;
  stream_->set_deadline(core_->world.clock().now());
  co_await watch_ended_->wait();
}

}  // namespace podkeeper::http
