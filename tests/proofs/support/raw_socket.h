#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::proofs {

/// One connection to 127.0.0.1, to say whatever one likes on it. Shares no code with what it
/// judges. One thread's.
class RawSocket {
 public:
  explicit RawSocket(std::uint16_t port);
  ~RawSocket();
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;

  /// As much of `bytes` as the peer takes within a second.
  void send(std::string_view bytes) const;
  struct Heard {
    std::vector<int> statuses;  ///< of every answer, in order
    bool closed = false;        ///< the peer ended the connection
  };
  /// Until the peer ends the connection, or `limit` from now.
  [[nodiscard]] Heard hear(std::chrono::milliseconds limit) const;
  /// One GET on a connection that is kept: its status, 0 where it was cut.
  int get(const std::string& target);

 private:
  int fd_;
};

}  // namespace podkeeper::proofs
