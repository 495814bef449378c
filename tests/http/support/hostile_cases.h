#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace podkeeper::hostile {

/// One raw request that no client of good faith sends, and what a server that keeps to RFC 9112 in
/// its strictest reading does with it: it answers `status` once and closes the connection, at once
/// or, where the request never ends, at its deadline.
struct Case {
  std::string name;
  std::string bytes;
  int status = 400;
  /// What is sent never ends a head or a body: only the deadline can refuse it.
  bool waits = false;
};

/// The limits of the server that is attacked, for cases just beyond them.
struct Limits {
  std::size_t header_bytes = 8 * 1024;
  std::size_t target_bytes = 2 * 1024;
  std::size_t fields = 100;
  std::size_t body_bytes = 64 * 1024;
};

/// Every case: framing, heads, targets, queries, sizes, other protocols, requests that never end.
/// Made by combining what is forbidden with where it may stand; the same list every time.
std::vector<Case> all_cases(const Limits& limits);

/// A request that every case may be followed by on the same connection: an answer to it would mean
/// that the case's own bytes were taken for less, or for more, than one request.
inline constexpr const char* kSmuggled = "GET /api/v1/pods?limit=1 HTTP/1.1\r\nHost: a\r\n\r\n";

}  // namespace podkeeper::hostile
