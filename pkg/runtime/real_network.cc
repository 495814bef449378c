#include "pkg/runtime/real_network.h"

#include "pkg/runtime/real_stream.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <utility>

namespace podkeeper::runtime {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::Error;
using base::ErrorCode;
using boost::system::error_code;

namespace {

constexpr auto kValue = asio::as_tuple(asio::use_awaitable_t<base::Executor>{});
using RealAcceptor = asio::basic_socket_acceptor<tcp, asio::io_context::executor_type>;

/// The peer went away, or the packet was bad: that is about one connection, not about the listener.
bool one_connection_failed(const error_code& ec) {
  const int value = ec.value();
  return value == ECONNABORTED || value == EPROTO || value == EINTR || value == EPERM;
}

Error listen_error(const base::Endpoint& endpoint, const error_code& ec) {
  std::string why = ec.message();
  if (ec == asio::error::address_in_use) {
    why = "address already in use; stop the other process or choose another port";
  } else if (ec == asio::error::access_denied) {
    why = "permission denied; choose a port from 1024 on";
  }
  return Error{ErrorCode::kIo, "listen on " + to_string(endpoint) + ": " + why};
}

/// What the listener and an accept under way share. The descriptor stays open until both let go, so
/// that close() may come from any thread: it only shuts the descriptor down, which ends the accept.
struct ListenerState {
  ListenerState(asio::io_context& loop, base::Clock& c, std::shared_ptr<ChunkPool> pool)
      : io(loop), clock(c), chunks(std::move(pool)), acceptor(loop.get_executor()) {}
  asio::io_context& io;
  base::Clock& clock;
  std::shared_ptr<ChunkPool> chunks;
  RealAcceptor acceptor;
  std::string name;
  std::atomic<bool> closed{false};
};

Error closed_error(const ListenerState& state) {
  return Error{ErrorCode::kUnavailable, "accept on " + state.name + ": the listener is closed"};
}

base::Task<base::Result<std::unique_ptr<base::Stream>>> accept_one(
    std::shared_ptr<ListenerState> state, base::Executor executor) {
  while (!state->closed) {
    RealSocket socket(state->io.get_executor());
    auto accepting = state->acceptor.async_accept(socket, kValue);
    auto [ec] = co_await std::move(accepting);
    if (!ec) {
      auto stream = std::make_unique<RealStream>(std::move(socket), state->clock,
                                                 std::move(executor), state->chunks);
      stream->became_connected();
      co_return std::unique_ptr<base::Stream>(std::move(stream));
    }
    if (state->closed) break;
    if (ec == asio::error::operation_aborted) throw boost::system::system_error(ec);
    if (one_connection_failed(ec)) continue;
    co_return Error{ErrorCode::kIo, "accept on " + state->name + ": " + ec.message()};
  }
  co_return closed_error(*state);
}

class RealListener final : public base::Listener {
 public:
  RealListener(std::shared_ptr<ListenerState> state, base::Endpoint address)
      : state_(std::move(state)), address_(std::move(address)) {}
  ~RealListener() override { close(); }

  base::Task<base::Result<std::unique_ptr<base::Stream>>> accept(base::Executor executor) override {
    auto accepting = accept_one(state_, std::move(executor));
    co_return co_await std::move(accepting);
  }

  [[nodiscard]] base::Endpoint address() const override { return address_; }

  void close() noexcept override {
    if (state_->closed.exchange(true)) return;
    ::shutdown(state_->acceptor.native_handle(), SHUT_RDWR);
  }

 private:
  std::shared_ptr<ListenerState> state_;
  base::Endpoint address_;
};

/// An address as written, or what the resolver says about a name.
base::Result<tcp::endpoint> address_to_bind(asio::io_context& io, const base::Endpoint& endpoint) {
  error_code ec;
  const auto address = asio::ip::make_address(endpoint.host, ec);
  if (!ec) return tcp::endpoint(address, endpoint.port);
  tcp::resolver resolver(io);
  const auto found =
      resolver.resolve(endpoint.host, std::to_string(endpoint.port), tcp::resolver::passive, ec);
  if (ec || found.empty()) {
    return Error{ErrorCode::kIo, "listen on " + to_string(endpoint) + ": the host \"" +
                                     endpoint.host + "\" has no address; write an IP address"};
  }
  return found.begin()->endpoint();
}

error_code bind_acceptor(RealAcceptor& acceptor, const tcp::endpoint& where) {
  error_code ec;
  acceptor.open(where.protocol(), ec);
  if (ec) return ec;
  acceptor.set_option(asio::socket_base::reuse_address(true), ec);
  if (ec) return ec;
  if (where.protocol() == tcp::v6() && where.address().is_unspecified()) {
    error_code ignored;  // both families on one socket, where the system can
    acceptor.set_option(asio::ip::v6_only(false), ignored);
  }
  acceptor.bind(where, ec);
  if (ec) return ec;
  acceptor.listen(asio::socket_base::max_listen_connections, ec);
  return ec;
}

/// Takes over a listening socket of the process before.
error_code adopt(RealAcceptor& acceptor, int descriptor) {
  sockaddr address{};
  socklen_t size = sizeof address;
  error_code ec;
  if (::getsockname(descriptor, &address, &size) != 0) {
    ec.assign(errno, boost::system::system_category());
    return ec;
  }
  acceptor.assign(address.sa_family == AF_INET6 ? tcp::v6() : tcp::v4(), descriptor, ec);
  return ec;
}

}  // namespace

ChunkPool::Chunk ChunkPool::take() {
  std::size_t size = kSmallChunkBytes;
  {
    base::Lock lock(mutex_);
    if (large_lent_ < kLargeChunksMax) {
      ++large_lent_;
      size = kChunkBytes;
      if (!kept_.empty()) {
        Chunk chunk{std::move(kept_.back()), size};
        kept_.pop_back();
        return chunk;
      }
    }
  }
  return {std::make_unique_for_overwrite<char[]>(size), size};
}

void ChunkPool::give_back(Chunk chunk) {
  if (chunk.size != kChunkBytes) return;
  base::Lock lock(mutex_);
  --large_lent_;
  if (kept_.size() < kChunksMax) kept_.push_back(std::move(chunk.bytes));
}

RealNetwork::RealNetwork(asio::io_context& io, base::Clock& clock, Supervision* supervision)
    : io_(io), clock_(clock), supervision_(supervision) {}

base::Result<std::unique_ptr<base::Listener>> RealNetwork::listen(const base::Endpoint& endpoint) {
  auto state = std::make_shared<ListenerState>(io_, clock_, chunks_);
  error_code ec;
  std::optional<int> kept;
  if (supervision_ != nullptr) kept = supervision_->take_listener(to_string(endpoint));
  if (kept) {
    ec = adopt(state->acceptor, *kept);
  } else {
    const auto where = address_to_bind(io_, endpoint);
    if (!where) return where.error();
    ec = bind_acceptor(state->acceptor, *where);
    if (ec == asio::error::address_family_not_supported && where->address().is_unspecified()) {
      error_code ignored;
      state->acceptor.close(ignored);  // a host without IPv6: all addresses are all IPv4 addresses
      ec = bind_acceptor(state->acceptor, tcp::endpoint(tcp::v4(), endpoint.port));
    }
  }
  if (ec) return listen_error(endpoint, ec);
  if (supervision_ != nullptr && !kept) {
    supervision_->keep_listener(to_string(endpoint), state->acceptor.native_handle());
  }
  base::Endpoint bound = endpoint;
  bound.port = state->acceptor.local_endpoint(ec).port();
  state->name = to_string(bound);
  return std::unique_ptr<base::Listener>(
      std::make_unique<RealListener>(std::move(state), std::move(bound)));
}

namespace {

/// Addresses of a name; the deadline cancels the question. The resolver's own thread does the work.
base::Task<base::Result<std::vector<tcp::endpoint>>> resolve(asio::io_context& io,
                                                             base::Clock& clock,
                                                             base::Endpoint endpoint,
                                                             base::MonotonicTime deadline) {
  error_code parsed;
  const auto address = asio::ip::make_address(endpoint.host, parsed);
  if (!parsed) co_return std::vector<tcp::endpoint>{tcp::endpoint(address, endpoint.port)};
  const base::Executor executor = co_await asio::this_coro::executor;
  auto resolver = std::make_shared<tcp::resolver>(io);
  const auto timer = clock.call_at(deadline, executor, [weak = std::weak_ptr(resolver)] {
    if (const auto waiting = weak.lock()) waiting->cancel();
  });
  auto resolving = resolver->async_resolve(endpoint.host, std::to_string(endpoint.port), kValue);
  auto [ec, found] = co_await std::move(resolving);
  clock.cancel(timer);
  if (!ec) co_return std::vector<tcp::endpoint>(found.begin(), found.end());
  if (ec == asio::error::operation_aborted && clock.now() < deadline) {
    throw boost::system::system_error(ec);
  }
  if (ec == asio::error::operation_aborted) {
    co_return Error{ErrorCode::kTimeout,
                    "connect to " + to_string(endpoint) + ": the name was not resolved in time"};
  }
  co_return Error{ErrorCode::kUnavailable, "connect to " + to_string(endpoint) + ": the host \"" +
                                               endpoint.host + "\" has no address (" +
                                               ec.message() + ")"};
}

}  // namespace

base::Task<base::Result<std::unique_ptr<base::Stream>>> RealNetwork::connect(
    base::Endpoint endpoint, base::MonotonicTime deadline) {
  auto resolving = resolve(io_, clock_, endpoint, deadline);
  auto candidates = co_await std::move(resolving);
  if (!candidates) co_return std::move(candidates).error();
  const base::Executor executor = co_await asio::this_coro::executor;
  auto stream =
      std::make_unique<RealStream>(RealSocket(io_.get_executor()), clock_, executor, chunks_);
  stream->set_deadline(deadline);
  auto connecting = stream->connect(*std::move(candidates), to_string(endpoint));
  auto connected = co_await std::move(connecting);
  if (!connected) co_return std::move(connected).error();
  stream->set_deadline(base::MonotonicTime::max());
  co_return std::unique_ptr<base::Stream>(std::move(stream));
}

}  // namespace podkeeper::runtime
