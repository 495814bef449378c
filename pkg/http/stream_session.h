#pragma once

#include "pkg/base/net.h"
#include "pkg/http/server_core.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

namespace podkeeper::http {

/// One streamed answer while it is written: a chunk a write, or bare bytes to an HTTP/1.0 client.
/// Belongs to its connection's executor.
class StreamSession final : public BodyWriter {
 public:
  /// Says in `writing_since` (ns of the monotonic clock, or 0) since when a write is under way.
  StreamSession(ServerCore& core, base::Stream& stream, bool chunked,
                std::atomic<std::int64_t>& writing_since);

  base::Task<base::Result<void>> write(std::span<const std::string_view> pieces) override;
  [[nodiscard]] bool draining() const noexcept override;
  void on_end(std::function<void()> callback) override;

  /// The body is gone, and what its callback refers to with it.
  void body_ended() noexcept { callback_ = nullptr; }
  /// The last chunk: the body is whole.
  base::Task<base::Result<void>> finish();
  /// The server drains: the stream should end by itself.
  void ask_to_end();
  /// The client is gone: later writes fail at once.
  void peer_gone();
  /// A write failed or the client is gone: nothing more can be said on this connection.
  [[nodiscard]] bool broken() const noexcept { return broken_; }
  /// It is broken because the client did not take what was written in time.
  [[nodiscard]] bool too_slow() const noexcept { return too_slow_; }

 private:
  base::Task<base::Result<void>> send(std::span<const boost::asio::const_buffer> pieces);
  void call_back();

  ServerCore& core_;
  base::Stream& stream_;
  const bool chunked_;
  std::atomic<std::int64_t>& writing_since_;
  bool broken_ = false;
  bool too_slow_ = false;
  bool ending_ = false;
  std::function<void()> callback_;
};

}  // namespace podkeeper::http
