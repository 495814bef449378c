#include "pkg/http/stream_session.h"

#include "pkg/http/render.h"

#include <array>
#include <utility>
#include <vector>

namespace podkeeper::http {
namespace {

boost::asio::const_buffer buffer_of(std::string_view text) noexcept {
  return {text.data(), text.size()};
}

}  // namespace

StreamSession::StreamSession(ServerCore& core, base::Stream& stream, bool chunked,
                             std::atomic<std::int64_t>& writing_since)
    : core_(core), stream_(stream), chunked_(chunked), writing_since_(writing_since) {}

base::Task<base::Result<void>> StreamSession::send(
    std::span<const boost::asio::const_buffer> pieces) {
  if (broken_) {
    co_return base::Error{base::ErrorCode::kUnavailable, "the client of the stream is gone"};
  }
  const auto now = core_.world.clock().now();
  writing_since_.store(now.time_since_epoch().count() | 1, std::memory_order_relaxed);
  stream_.set_deadline(now + core_.limits.stream_write_timeout);
  auto written = co_await stream_.write(pieces);
  writing_since_.store(0, std::memory_order_relaxed);
  if (!written) {
    broken_ = true;
    too_slow_ = written.error().code == base::ErrorCode::kTimeout;
    call_back();
    co_return written;
  }
  // A deadline holds for reads too, and the peer's silence between two writes is no fault.
  stream_.set_deadline(base::MonotonicTime::max());
  co_return written;
}

base::Task<base::Result<void>> StreamSession::write(std::span<const std::string_view> pieces) {
  std::size_t size = 0;
  for (const std::string_view piece : pieces) size += piece.size();
  // An empty chunk would be the last one.
  if (size == 0) co_return base::Result<void>{};
  std::vector<boost::asio::const_buffer> buffers;
  buffers.reserve(pieces.size() + 2);
  char line[20];
  if (chunked_) buffers.push_back(buffer_of(chunk_size_line(size, line)));
  for (const std::string_view piece : pieces) {
    if (!piece.empty()) buffers.push_back(buffer_of(piece));
  }
  if (chunked_) buffers.push_back(buffer_of("\r\n"));
  co_return co_await send(buffers);
}

base::Task<base::Result<void>> StreamSession::finish() {
  if (!chunked_) co_return base::Result<void>{};
  const std::array last{buffer_of("0\r\n\r\n")};
  co_return co_await send(last);
}

bool StreamSession::draining() const noexcept {
  return ending_ || core_.draining.load(std::memory_order_acquire);
}

void StreamSession::on_end(std::function<void()> callback) {
  callback_ = std::move(callback);
  if (broken_ || draining()) call_back();
}

void StreamSession::ask_to_end() {
  ending_ = true;
  call_back();
}

void StreamSession::peer_gone() {
  broken_ = true;
  call_back();
}

void StreamSession::call_back() {
  if (const auto callback = std::exchange(callback_, nullptr)) callback();
}

}  // namespace podkeeper::http
