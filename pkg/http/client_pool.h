#pragma once

#include "pkg/base/mutex.h"
#include "pkg/base/world.h"
#include "pkg/http/client.h"
#include "pkg/http/read_buffer.h"
#include "pkg/http/token_bucket.h"
#include "pkg/telemetry/metrics.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::http {

/// One connection of the client, with what was read from it and not yet used.
struct ClientConnection {
  static constexpr std::size_t kBufferBytesMax = 64 * 1024;

  ClientConnection(std::unique_ptr<base::Stream> its_stream, base::Executor its_executor)
      : stream(std::move(its_stream)), executor(std::move(its_executor)) {}

  std::unique_ptr<base::Stream> stream;
  base::Executor executor;  ///< where its operations run: only a task there may take it up again
  ReadBuffer buffer{kBufferBytesMax, kBufferBytesMax};
  base::MonotonicTime idle_since{};
  std::uint64_t generation = 0;  ///< of the identity that it proves
};

/// The client's numbers, each resolved once. Thread-safe.
class ClientMetrics {
 public:
  ClientMetrics(telemetry::Metrics& metrics, std::string host);
  /// An answer's head, or (status 0) a request that got none.
  void count(std::string_view method, int status, base::Duration duration);
  /// How long a request waited for the client's own limit.
  void throttled(std::string_view method, base::Duration duration);
  /// Of answers' bodies, in bytes.
  telemetry::Histogram& sizes(std::string_view method);
  /// A request is sent again after an answer of this status.
  void retried(std::string_view method, int status);

 private:
  struct Method;
  telemetry::Counter& counter(std::size_t method, int status);

  static constexpr std::size_t kMethods = 7;
  static constexpr std::size_t kCodes = 601;  ///< by status; 0 is "<error>"
  telemetry::Metrics& metrics_;
  const std::string host_;
  std::array<telemetry::Histogram*, kMethods> durations_{};
  std::array<std::array<std::atomic<telemetry::Counter*>, kCodes>, kMethods> counters_{};
};

/// The kept-alive connections of one client and what it reports. Thread-safe; shared with the
/// bodies being read.
class ClientPool {
 public:
  static constexpr base::Duration kIdleMax =
      std::chrono::seconds(60);  ///< below any server's own idle limit

  ClientPool(base::World& world, telemetry::Metrics& metrics, ClientOptions options);
  ~ClientPool();

  /// A kept connection of this executor that proves who we are now, newest first, or null.
  std::unique_ptr<ClientConnection> take(const base::Executor& executor);
  /// Keeps it for a later request; beyond idle_connections_max the oldest is closed.
  void keep(std::unique_ptr<ClientConnection> connection);

  base::World& world;
  const ClientOptions options;
  const std::string host;  ///< "127.0.0.1:6443": the Host field and the label
  ClientMetrics metrics;
  TokenBucket limit;

 private:
  base::Mutex mutex_;
  std::vector<std::unique_ptr<ClientConnection>> idle_ PK_GUARDED_BY(mutex_);
};

}  // namespace podkeeper::http
