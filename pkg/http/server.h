#pragma once

#include "pkg/base/world.h"
#include "pkg/http/message.h"
#include "pkg/http/overload.h"
#include "pkg/runtime/task_group.h"
#include "pkg/telemetry/metrics.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace podkeeper::http {

/// What is served where. Filled at start by one thread, then given to a Server, where it is
/// constant: it can be moved, not copied, so nobody adds to one that is served. A path goes to the
/// longest matching prefix.
class Router {
 public:
  Router() = default;
  Router(Router&&) = default;
  Router& operator=(Router&&) = default;
  /// Exactly `path`, any method (the handler answers 405 where it must).
  void exact(std::string path, Handler handler);
  /// `prefix` itself and everything below it.
  void prefix(std::string prefix, Handler handler, ErrorRenderer errors = {});
  /// The handler for a path, or null.
  [[nodiscard]] const Handler* find(const Target& target) const noexcept;
  [[nodiscard]] const ErrorRenderer* errors(std::string_view path) const noexcept;

 private:
  struct Route {
    std::string path;
    bool is_prefix;
    Handler handler;
    ErrorRenderer errors;
  };
  std::vector<Route> routes_;
};

/// Bounds of one listener. What happens at each: 431, 414, 413, 503 (after the connections that
/// idle longest gave way), 429, 408 or a cut.
struct ServerLimits {
  std::size_t header_bytes_max = 8 * 1024;
  std::size_t target_bytes_max = 2 * 1024;
  std::size_t body_bytes_max = 0;  ///< 0: bodies are refused with 413
  std::size_t connections_max = 10'000;
  std::size_t connections_per_source_max = 5'000;
  /// Beyond: 429 with Retry-After. Streams are not counted.
  std::size_t requests_inflight_max = 1'000;
  /// From the first byte of a head to its last; then as long again for the body.
  base::Duration header_timeout = std::chrono::seconds(10);
  base::Duration idle_timeout = std::chrono::seconds(90);  ///< between requests
  /// From a request's first byte to the last of its answer taken; not for streams. A handler finds
  /// it in Request::deadline and keeps to it: the server cuts a slow client, not a slow handler.
  base::Duration request_timeout = std::chrono::seconds(60);
  /// A client that does not take the next kBlockBytes of its answer this long is cut.
  base::Duration write_timeout = std::chrono::seconds(10);
  /// A stream's client that takes nothing this long is cut.
  base::Duration stream_write_timeout = std::chrono::seconds(30);
  /// The pieces of which gathered answers under way may be together: a LIST of n objects is about
  /// 2n, for which it holds 8n bytes beside those it shares. Beyond: 429 with Retry-After, unless
  /// it is the only one.
  std::size_t answer_pieces_max = 2'000'000;
};
/// How many descriptors a Server may use at one time: its connections, those that are giving way,
/// and those that are being refused.
std::size_t descriptors_needed(const ServerLimits& limits) noexcept;
/// The most connections of a Server that may use so many descriptors; at least 1.
std::size_t connections_within(std::size_t descriptors) noexcept;

struct ServerCore;

/// An HTTP/1.1 listener: only well-framed requests within limits and deadlines reach a route; what
/// a route throws is a 500 to that client alone. Every connection is a task of `group`, parsed by
/// Beast's sans-I/O parser from a bounded buffer, so a peer's bytes never throw out of the event
/// loop.
class Server {
 public:
  /// Without an `overload` it answers however scarce memory is.
  Server(base::World& world, runtime::TaskGroup& group, telemetry::Metrics& metrics,
         std::string name, Router router, ServerLimits limits = {},
         std::shared_ptr<Overload> overload = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Binds and starts accepting; may be called for several addresses, by one thread. kIo names the
  /// address and the reason.
  base::Result<base::Endpoint> listen(const base::Endpoint& endpoint);
  /// Stops accepting, ends idle connections, tells streams to end; requests under way finish.
  /// Returns when every connection is gone, or at the deadline (the TaskGroup's stop() then cuts
  /// the rest).
  base::Task<void> drain(base::MonotonicTime deadline);
  /// Cuts clients who have not taken for Overload::kSlowAfter what is being written to them, those
  /// who are most behind: a quarter of them, at least kEvictionsMin. How many they are; none
  /// without an Overload. Any thread; O(connections).
  std::size_t evict_slow();
  static constexpr std::size_t kEvictionsMin = 16;
  [[nodiscard]] std::size_t connections() const noexcept;

 private:
  struct Listening {
    base::Executor executor;
    std::shared_ptr<base::Listener> listener;
  };
  void close_listeners();

  std::shared_ptr<ServerCore> core_;
  std::vector<Listening> listening_;
};

}  // namespace podkeeper::http
