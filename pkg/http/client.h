#pragma once

#include "pkg/base/world.h"
#include "pkg/http/message.h"
#include "pkg/telemetry/metrics.h"

#include <memory>
#include <optional>
#include <string>

namespace podkeeper::http {

struct ClientRequest {
  std::string method = "GET";
  std::string target;  ///< path and query, percent-encoded already
  Headers headers;
  std::string body;
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

  /// The rest of the body. kTooLarge beyond `bytes_max`.
  base::Task<base::Result<std::string>> read_all(std::size_t bytes_max);
};

struct ClientOptions {
  base::Endpoint endpoint;
  std::string user_agent;
  base::Duration connect_timeout = std::chrono::seconds(10);
  std::size_t idle_connections_max = 4;
  std::size_t header_bytes_max = 64 * 1024;
};

class ClientPool;

/// An HTTP/1.1 client for one upstream with kept-alive connections (each used again only by tasks
/// of its own executor). Redirects are answers, never followed. Any task may call it. Reports
/// rest_client_requests_total and rest_client_request_duration_seconds.
class Client {
 public:
  Client(base::World& world, telemetry::Metrics& metrics, ClientOptions options);
  ~Client();
  /// Sends and waits for the head until `deadline`, which then holds for the body until it is
  /// moved. A request without a body is sent once more when a kept-alive connection turns out to be
  /// closed. kUnavailable names the endpoint and the reason.
  base::Task<base::Result<ClientResponse>> send(ClientRequest request,
                                                base::MonotonicTime deadline);
  [[nodiscard]] const base::Endpoint& endpoint() const noexcept;

 private:
  static base::Task<base::Result<ClientResponse>> try_send(std::shared_ptr<ClientPool> pool,
                                                           const ClientRequest& request,
                                                           base::MonotonicTime deadline);
  std::shared_ptr<ClientPool> pool_;
};

}  // namespace podkeeper::http
