#pragma once

#include "pkg/base/world.h"
#include "pkg/http/client_identity.h"
#include "pkg/http/message.h"
#include "pkg/telemetry/metrics.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace podkeeper::http {

struct ClientRequest {
  std::string method = "GET";
  std::string target;  ///< path and query, percent-encoded already
  Headers headers;
  std::string body;
  bool accept_gzip = false;  ///< a large body may come packed; it is unpacked while it is read
};

/// An answer whose head has arrived; its body is read by its owner, at its own pace.
class ClientResponse {
 public:
  class Body {
   public:
    virtual ~Body() = default;
    /// Appends some bytes to `into`; false at the body's proper end. A body that stops before its
    /// last chunk or its Content-Length is kProtocol, never a short success. kTimeout at the
    /// deadline.
    virtual base::Task<base::Result<bool>> read_some(std::string& into) = 0;
    /// Moves the deadline for what is still to come (a watch's idle time-out).
    virtual void set_deadline(base::MonotonicTime when) = 0;
  };
  int status = 0;
  Headers headers;
  std::unique_ptr<Body> body;  ///< dropping it before the end closes the connection
  /// Where read_all() notes the size of what it gives; null: nowhere. Of the client's metrics.
  telemetry::Histogram* sizes = nullptr;

  /// The rest of the body. kTooLarge beyond `bytes_max`.
  base::Task<base::Result<std::string>> read_all(std::size_t bytes_max);
};

struct ClientOptions {
  base::Endpoint endpoint;
  std::string user_agent;
  base::Duration connect_timeout = std::chrono::seconds(10);
  std::size_t idle_connections_max = 4;
  std::size_t header_bytes_max = 64 * 1024;
  std::string path_prefix = {};  ///< before every target; without a slash at its end
  bool gzip = true;  ///< false: no request asks for it (kubeconfig's disable-compression)
  std::shared_ptr<ClientIdentity> identity = {};  ///< null: plain connections of nobody
  double requests_per_second = 0;                 ///< 0: no limit
  std::uint32_t burst = 1;  ///< requests that may go at once before the limit holds
};

class ClientPool;

/// An HTTP/1.1 client for one upstream with kept-alive connections (each used again only by tasks
/// of its own executor). Redirects are answers, never followed, so that no credentials go where
/// nobody sent them. A request that is answered 401 is sent once more where its identity has new
/// credentials by then. Any task may call it. Reports rest_client_requests_total,
/// rest_client_request_duration_seconds, of bodies that are read as a whole (no watches, as
/// client-go has it) rest_client_response_size_bytes and, with a limit,
/// rest_client_rate_limiter_duration_seconds.
class Client {
 public:
  Client(base::World& world, telemetry::Metrics& metrics, ClientOptions options);
  ~Client();
  /// Sends and waits for the head until `deadline`, which then holds for the body until it is
  /// moved. A request without a body is sent once more when a kept-alive connection turns out to be
  /// closed. kUnavailable names the endpoint and the reason; an answer in an encoding that was not
  /// asked for is kProtocol.
  base::Task<base::Result<ClientResponse>> send(ClientRequest request,
                                                base::MonotonicTime deadline);
  [[nodiscard]] const base::Endpoint& endpoint() const noexcept;
  /// For rest_client_request_retries_total: the caller sends again what was answered so.
  void count_repeat(std::string_view method, int status);

 private:
  /// What one try needs to know beside the request.
  struct Try {
    std::string authorization;
    std::uint64_t generation = 0;  ///< of the connection that was used
    base::MonotonicTime deadline;
  };
  static base::Task<base::Result<ClientResponse>> send_once(std::shared_ptr<ClientPool> pool,
                                                            const ClientRequest& request,
                                                            Try& attempt);
  static base::Task<base::Result<ClientResponse>> try_send(std::shared_ptr<ClientPool> pool,
                                                           const ClientRequest& request,
                                                           Try& attempt);
  std::shared_ptr<ClientPool> pool_;
};

}  // namespace podkeeper::http
