#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/net.h"
#include "pkg/http/framing.h"
#include "pkg/http/message.h"
#include "pkg/http/read_buffer.h"
#include "pkg/http/server.h"

#include <expected>
#include <memory>
#include <optional>
#include <string>

namespace podkeeper::http {

/// A request that arrived whole and well-framed. Its target may still be one that no route can
/// have.
struct Incoming {
  std::string method;
  base::Result<Target> target;
  Headers headers;
  std::string body;
  int version_minor = 1;
  bool keep_alive = true;
  base::MonotonicTime started{};  ///< when its first byte was there
};

/// Why there is no request, and nothing more to read from this connection.
struct NoRequest {
  std::optional<Rejection> rejection;  ///< none: the peer is gone, there is nobody to tell
  std::string path;                    ///< where known, for the look of the error
};

/// Reads the requests of one connection, one after the other, from a bounded buffer and under
/// absolute deadlines: a peer that sends a byte a second gains nothing by it. Belongs to the
/// connection's executor.
class RequestReader {
 public:
  RequestReader(std::shared_ptr<base::Stream> stream, base::Clock& clock,
                const ServerLimits& limits);

  /// Waits for the first byte of a request: true when it is here, false when the peer ended the
  /// connection.
  base::Task<base::Result<bool>> wait(base::Duration timeout);
  /// Reads that request to its end.
  base::Task<std::expected<Incoming, NoRequest>> read();
  /// One read into the buffer: bytes got, 0 at the peer's end. Only while !full().
  base::Task<base::Result<std::size_t>> fill();
  [[nodiscard]] bool full() const noexcept { return buffer_.full(); }

 private:
  base::Task<std::optional<NoRequest>> read_head(std::size_t& size, base::MonotonicTime deadline);
  base::Task<std::optional<NoRequest>> read_body(std::string& body, const RequestFraming& framing);
  [[nodiscard]] std::optional<Rejection> over_limit(std::size_t first_line_size) const noexcept;
  base::Task<base::Result<void>> send_continue();

  const std::shared_ptr<base::Stream> stream_;
  base::Clock& clock_;
  const ServerLimits& limits_;
  ReadBuffer buffer_;
};

}  // namespace podkeeper::http
