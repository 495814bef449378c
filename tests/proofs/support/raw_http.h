#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace podkeeper::proofs {

struct RawResponse {
  int status = 0;
  std::string head;       ///< status line and header fields
  std::string body;       ///< chunk framing removed
  bool complete = false;  ///< the last chunk, or all of Content-Length, arrived
};

/// A blocking HTTP/1.1 client of a few lines over the system's sockets, sharing no code with what
/// it judges: one request a connection, to 127.0.0.1. One thread at a time.
RawResponse raw_request(std::uint16_t port, const std::string& target,
                        const std::string& method = "GET", const std::string& headers = {},
                        const std::string& body = {});

/// The same, giving each complete line of the body to `on_line` as it arrives, until it answers
/// false or the stream ends. `complete` tells a clean end from a cut.
RawResponse raw_stream(std::uint16_t port, const std::string& target,
                       const std::function<bool(std::string_view line)>& on_line);

}  // namespace podkeeper::proofs
