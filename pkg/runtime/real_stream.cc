#include "pkg/runtime/real_stream.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <utility>

namespace podkeeper::runtime {

namespace asio = boost::asio;
using base::Error;
using base::ErrorCode;
using boost::system::error_code;

namespace {

constexpr auto kValue = asio::as_tuple(asio::use_awaitable_t<base::Executor>{});

// Asio hands at most 64 buffers to one system call, and copies the list for each.
constexpr std::size_t kGatheredPiecesMax = 64;
// A piece from this size on is not worth copying.
constexpr std::size_t kBigPieceBytes = 128 * 1024;
// What the system takes from us beyond what the peer's window allows to be sent.
constexpr int kUnsentBytesMax = 256 * 1024;

/// Until all is written, with no cap on one system call (Asio's own condition asks for 64 KiB at a
/// time).
std::size_t all_at_once(const error_code& ec, std::size_t) { return ec ? 0 : std::size_t{1} << 30; }

/// Takes pieces from the front of `pieces` into `chunk`, while they are small and fit.
std::size_t fill(std::span<char> chunk, std::span<const asio::const_buffer>& pieces) {
  std::size_t size = 0;
  while (!pieces.empty() && pieces.front().size() < kBigPieceBytes &&
         pieces.front().size() <= chunk.size() - size) {
    const asio::const_buffer piece = pieces.front();
    if (piece.size() > 0) std::memcpy(chunk.data() + size, piece.data(), piece.size());
    size += piece.size();
    pieces = pieces.subspan(1);
  }
  return size;
}

/// A chunk of the pool for a scope.
class Borrowed {
 public:
  explicit Borrowed(std::shared_ptr<ChunkPool> pool)
      : pool_(std::move(pool)), chunk_(pool_->take()) {}
  ~Borrowed() { pool_->give_back(std::move(chunk_)); }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  [[nodiscard]] std::span<char> bytes() const { return {chunk_.bytes.get(), chunk_.size}; }

 private:
  std::shared_ptr<ChunkPool> pool_;
  ChunkPool::Chunk chunk_;
};

bool means_away(const error_code& ec) {
  return ec == asio::error::connection_reset || ec == asio::error::connection_aborted ||
         ec == asio::error::connection_refused || ec == asio::error::broken_pipe ||
         ec == asio::error::not_connected || ec == asio::error::bad_descriptor ||
         ec == asio::error::timed_out || ec == asio::error::host_unreachable ||
         ec == asio::error::network_unreachable || ec == asio::error::network_down ||
         ec == asio::error::shut_down;
}

}  // namespace

void RealDeadline::set(base::MonotonicTime when) {
  deadline_ = when;
  if (when < armed_) {
    if (timer_ != 0) clock_.cancel(timer_);
    if (when <= clock_.now()) return check();
    arm();
  }
  passed_ = false;
}

void RealDeadline::arm() {
  armed_ = deadline_;
  timer_ = clock_.call_at(armed_, executor_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->check();
  });
}

void RealDeadline::check() {
  timer_ = 0;
  armed_ = base::MonotonicTime::max();
  if (socket_ == nullptr || deadline_ == base::MonotonicTime::max()) return;
  if (clock_.now() < deadline_) return arm();
  passed_ = true;
  error_code ignored;
  socket_->cancel(ignored);
}

void RealDeadline::detach() {
  socket_ = nullptr;
  if (timer_ != 0) clock_.cancel(timer_);
  timer_ = 0;
}

RealStream::RealStream(RealSocket socket, base::Clock& clock, base::Executor executor,
                       std::shared_ptr<ChunkPool> chunks)
    : socket_(std::move(socket)),
      deadline_(std::make_shared<RealDeadline>(clock, std::move(executor), socket_)),
      chunks_(std::move(chunks)) {}

RealStream::~RealStream() {
  close();
  deadline_->detach();
}

void RealStream::became_connected() {
  error_code ec;
  socket_.set_option(asio::ip::tcp::no_delay(true), ec);
  // The system would buffer megabytes for a peer that reads nothing, and count them to our memory.
  ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsentBytesMax,
               sizeof kUnsentBytesMax);
  const auto remote = socket_.remote_endpoint(ec);
  peer_ = ec ? "a peer that is gone"
             : to_string(base::Endpoint{remote.address().to_string(), remote.port()});
}

base::Task<base::Result<void>> RealStream::connect(std::vector<asio::ip::tcp::endpoint> candidates,
                                                   std::string name) {
  error_code last = asio::error::host_not_found;
  for (const auto& candidate : candidates) {
    if (!usable()) break;
    error_code ec;
    if (socket_.is_open()) socket_.close(ec);
    auto connecting = socket_.async_connect(candidate, kValue);
    auto [result] = co_await std::move(connecting);
    if (!result) {
      became_connected();
      co_return base::Result<void>{};
    }
    last = result;
    if (result == asio::error::operation_aborted) break;
  }
  peer_ = std::move(name);
  co_return failure("connect to", last);
}

Error RealStream::failure(const char* verb, error_code ec) const {
  const std::string what = std::string(verb) + " " + peer() + ": ";
  if (deadline_->passed()) {
    return Error{ErrorCode::kTimeout, what + "no answer before the deadline"};
  }
  if (closed_) return Error{ErrorCode::kUnavailable, what + "the connection is closed"};
  if (ec == asio::error::operation_aborted) throw boost::system::system_error(ec);
  std::string why = ec == asio::error::connection_reset || ec == asio::error::broken_pipe
                        ? "connection reset"
                        : ec.message();
  std::ranges::transform(why, why.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return Error{means_away(ec) ? ErrorCode::kUnavailable : ErrorCode::kIo, what + why};
}

base::Task<base::Result<std::size_t>> RealStream::read_some(asio::mutable_buffer into) {
  if (!usable()) co_return failure("read from", {});
  auto reading = socket_.async_read_some(into, kValue);
  auto [ec, size] = co_await std::move(reading);
  if (ec == asio::error::eof) co_return std::size_t{0};
  if (ec) co_return failure("read from", ec);
  co_return size;
}

base::Task<base::Result<void>> RealStream::write(std::span<const asio::const_buffer> pieces) {
  if (!usable()) co_return failure("write to", {});
  auto writing =
      pieces.size() <= kGatheredPiecesMax ? write_buffers(pieces) : write_flattened(pieces);
  co_return co_await std::move(writing);
}

base::Task<base::Result<void>> RealStream::write_buffers(
    std::span<const asio::const_buffer> pieces) {
  auto writing = asio::async_write(socket_, pieces, all_at_once, kValue);
  auto [ec, size] = co_await std::move(writing);
  if (ec) co_return failure("write to", ec);
  co_return base::Result<void>{};
}

base::Task<base::Result<void>> RealStream::write_flattened(
    std::span<const asio::const_buffer> pieces) {
  const Borrowed chunk(chunks_);
  while (!pieces.empty()) {
    const std::size_t size = fill(chunk.bytes(), pieces);
    asio::const_buffer next(chunk.bytes().data(), size);
    if (size == 0) {
      next = pieces.front();
      pieces = pieces.subspan(1);
    }
    if (!usable()) co_return failure("write to", {});
    auto writing = write_buffers({&next, 1});
    auto written = co_await std::move(writing);
    if (!written) co_return std::move(written);
  }
  co_return base::Result<void>{};
}

void RealStream::set_deadline(base::MonotonicTime when) { deadline_->set(when); }

void RealStream::shutdown_write() noexcept {
  error_code ignored;
  socket_.shutdown(asio::socket_base::shutdown_send, ignored);
}

void RealStream::close() noexcept {
  closed_ = true;
  error_code ignored;
  socket_.close(ignored);
}

std::string RealStream::peer() const { return peer_; }

}  // namespace podkeeper::runtime
