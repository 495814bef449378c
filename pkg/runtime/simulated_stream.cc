#include "pkg/runtime/simulated_stream.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace podkeeper::runtime {

namespace asio = boost::asio;
using base::Error;
using base::ErrorCode;

namespace {

/// Gives way to other tasks, as a real socket's operation does.
base::Task<void> yield() {
  const base::Executor executor = co_await asio::this_coro::executor;
  auto turn = asio::post(executor, asio::use_awaitable_t<base::Executor>{});
  co_await std::move(turn);
}

}  // namespace

SimulatedPipe::SimulatedPipe(std::shared_ptr<SimulatedNetwork> network)
    : readable(network->clock()), writable(network->clock()), network_(std::move(network)) {}

std::size_t SimulatedPipe::send(asio::const_buffer from) {
  const std::size_t room = SimulatedNetwork::kPipeBytesMax - bytes_;
  const std::size_t size = std::min(room, from.size());
  if (size == 0) return 0;
  if (!reader_gone_)
    enqueue({std::string(static_cast<const char*>(from.data()), size), {}, End::kNone});
  return size;
}

void SimulatedPipe::send_end(End end) {
  if (std::exchange(end_sent_, true) || reset_) return;
  enqueue({{}, {}, end});
  writable.notify();
}

void SimulatedPipe::enqueue(Piece piece) {
  bytes_ += piece.bytes.size();
  last_arrival_ = std::max(last_arrival_, network_->clock().now() + network_->latency());
  piece.arrival = last_arrival_;
  on_the_way_.push_back(std::move(piece));
  if (on_the_way_.size() == 1) schedule_arrival();
}

void SimulatedPipe::schedule_arrival() {
  // Weak: a connection that both ends forgot delivers nothing.
  network_->clock().call_at(on_the_way_.front().arrival, network_->executor(),
                            [weak = weak_from_this()] {
                              if (const auto self = weak.lock()) self->arrive();
                            });
}

void SimulatedPipe::arrive() {
  if (on_the_way_.empty()) return;
  Piece piece = std::move(on_the_way_.front());
  on_the_way_.pop_front();
  if (!on_the_way_.empty()) schedule_arrival();
  if (piece.end != End::kNone) {
    arrived_end_ = piece.end;
  } else if (reader_gone_) {
    bytes_ -= piece.bytes.size();
  } else {
    arrived_ += piece.bytes.size();
    arrived_pieces_.push_back(std::move(piece.bytes));
  }
  readable.notify();
}

std::size_t SimulatedPipe::take(asio::mutable_buffer into) {
  const std::size_t most = std::min({arrived_, into.size(), network_->options().read_bytes_max});
  if (most == 0) return 0;
  const bool is_short = network_->choose(1, network_->options().short_read_in) == 1;
  const std::size_t size = is_short ? network_->choose(1, most) : most;
  auto* to = static_cast<char*>(into.data());
  for (std::size_t left = size; left > 0;) {
    const std::string& first = arrived_pieces_.front();
    const std::size_t part = std::min(left, first.size() - offset_);
    std::memcpy(to, first.data() + offset_, part);
    to += part;
    left -= part;
    offset_ += part;
    if (offset_ == first.size()) {
      arrived_pieces_.pop_front();
      offset_ = 0;
    }
  }
  arrived_ -= size;
  bytes_ -= size;
  writable.notify();
  return size;
}

void SimulatedPipe::reset() {
  reset_ = true;
  drop_reader();
  on_the_way_.clear();
  bytes_ = 0;
  readable.notify();
  writable.notify();
}

void SimulatedPipe::drop_reader() {
  reader_gone_ = true;
  bytes_ -= arrived_;
  arrived_ = 0;
  offset_ = 0;
  arrived_pieces_.clear();
  writable.notify();
}

SimulatedConnection::SimulatedConnection(std::shared_ptr<SimulatedNetwork> network,
                                         std::uint64_t number)
    : id(number),
      network_(std::move(network)),
      pipes_{std::make_shared<SimulatedPipe>(network_), std::make_shared<SimulatedPipe>(network_)} {
}

SimulatedConnection::~SimulatedConnection() { network_->forget_connection(id); }

void SimulatedConnection::cut() {
  for (const auto& pipe : pipes_) pipe->reset();
}

std::size_t SimulatedConnection::allowed(std::size_t bytes) const {
  return remaining_ ? std::min(bytes, *remaining_) : bytes;
}

void SimulatedConnection::cut_after(std::size_t bytes) {
  if (bytes == 0) return cut();
  remaining_ = bytes;
}

void SimulatedConnection::passed(std::size_t bytes) {
  if (!remaining_) return;
  *remaining_ -= bytes;
  if (*remaining_ != 0) return;
  // The last bytes still arrive, then both sides see the reset.
  for (const auto& pipe : pipes_) pipe->send_end(SimulatedPipe::End::kReset);
}

SimulatedStream::SimulatedStream(std::shared_ptr<SimulatedNetwork> network,
                                 std::shared_ptr<SimulatedConnection> connection, std::size_t side,
                                 base::Endpoint peer)
    : network_(std::move(network)),
      connection_(std::move(connection)),
      side_(side),
      peer_(std::move(peer)) {}

SimulatedStream::~SimulatedStream() { close(); }

std::optional<Error> SimulatedStream::cannot_go_on(const char* verb) const {
  const auto error = [&](ErrorCode code, const char* why) {
    return Error{code, std::string(verb) + " " + peer() + ": " + why};
  };
  if (closed_) return error(ErrorCode::kUnavailable, "the connection is closed");
  if (incoming().is_reset()) return error(ErrorCode::kUnavailable, "connection reset");
  if (network_->clock().now() >= deadline_)
    return error(ErrorCode::kTimeout, "the deadline passed");
  return std::nullopt;
}

base::Task<base::Result<std::size_t>> SimulatedStream::read_some(asio::mutable_buffer into) {
  auto turn = yield();
  co_await std::move(turn);
  for (;;) {
    if (auto error = cannot_go_on("read from")) co_return *std::move(error);
    if (const std::size_t size = incoming().take(into); size > 0 || into.size() == 0)
      co_return size;
    const auto end = incoming().arrived_end();
    if (end == SimulatedPipe::End::kFinished) co_return std::size_t{0};
    if (end == SimulatedPipe::End::kReset) {
      co_return Error{ErrorCode::kUnavailable, "read from " + peer() + ": connection reset"};
    }
    auto arrival = incoming().readable.wait_until(deadline_);
    co_await std::move(arrival);
  }
}

base::Task<base::Result<void>> SimulatedStream::write(std::span<const asio::const_buffer> pieces) {
  auto turn = yield();
  co_await std::move(turn);
  for (const asio::const_buffer piece : pieces) {
    auto one = write_one(piece);
    if (auto written = co_await std::move(one); !written) co_return std::move(written);
  }
  co_return base::Result<void>{};
}

base::Task<base::Result<void>> SimulatedStream::write_one(asio::const_buffer piece) {
  while (piece.size() > 0) {
    if (auto error = cannot_go_on("write to")) co_return *std::move(error);
    if (outgoing().end_sent() || outgoing().reader_gone()) {
      co_return Error{ErrorCode::kUnavailable, "write to " + peer() + ": connection reset"};
    }
    const std::size_t sent =
        outgoing().send(asio::buffer(piece, connection_->allowed(piece.size())));
    connection_->passed(sent);
    piece += sent;
    if (sent > 0) continue;
    auto room = outgoing().writable.wait_until(deadline_);
    co_await std::move(room);
  }
  co_return base::Result<void>{};
}

void SimulatedStream::set_deadline(base::MonotonicTime when) {
  const bool earlier = when < deadline_;
  deadline_ = when;
  if (!earlier) return;  // who waits wakes at the old one and looks again
  incoming().readable.notify();
  outgoing().writable.notify();
}

void SimulatedStream::shutdown_write() noexcept {
  if (!closed_) outgoing().send_end(SimulatedPipe::End::kFinished);
}

void SimulatedStream::close() noexcept {
  if (std::exchange(closed_, true)) return;
  // As TCP does it: closing with bytes unread resets the connection, the peer may miss what was
  // sent last.
  outgoing().send_end(incoming().has_bytes() ? SimulatedPipe::End::kReset
                                             : SimulatedPipe::End::kFinished);
  incoming().drop_reader();
  incoming().readable.notify();
  outgoing().writable.notify();
}

std::string SimulatedStream::peer() const { return to_string(peer_); }

SimulatedListener::SimulatedListener(std::shared_ptr<SimulatedNetwork> network,
                                     base::Endpoint endpoint)
    : network_(std::move(network)), endpoint_(std::move(endpoint)), arrived_(network_->clock()) {}

SimulatedListener::~SimulatedListener() { close(); }

base::Task<base::Result<std::unique_ptr<base::Stream>>> SimulatedListener::accept(base::Executor) {
  while (backlog_.empty()) {
    if (closed_) {
      co_return Error{ErrorCode::kUnavailable,
                      "accept on " + to_string(endpoint_) + ": the listener is closed"};
    }
    auto arrival = arrived_.wait();
    co_await std::move(arrival);
  }
  auto stream = std::move(backlog_.front());
  backlog_.pop_front();
  if (!backlog_.empty()) arrived_.notify();
  co_return std::move(stream);
}

void SimulatedListener::close() noexcept {
  if (std::exchange(closed_, true)) return;
  network_->forget_listener(endpoint_.port);
  backlog_.clear();
  arrived_.notify();
}

bool SimulatedListener::offer(std::unique_ptr<base::Stream> stream) {
  if (backlog_.size() >= SimulatedNetwork::kBacklogMax) return false;
  backlog_.push_back(std::move(stream));
  arrived_.notify();
  return true;
}

}  // namespace podkeeper::runtime
