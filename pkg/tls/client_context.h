#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/net.h"
#include "pkg/base/result.h"
#include "pkg/telemetry/metrics.h"
#include "pkg/tls/handles.h"

#include <memory>
#include <string>
#include <utility>

namespace podkeeper::tls {

struct ClientContextOptions {
  std::string authorities = {};  ///< PEM certificates; empty: the system's
  std::string certificate = {};  ///< PEM, ours first and then its chain; empty: none
  std::string key = {};          ///< PEM, not encrypted
  bool verify = true;            ///< false: any certificate of any peer will do
};

/// Whom a client trusts and who it is, for many connections: TLS 1.2 and 1.3, certificates verified
/// up to any certificate of `authorities` (an intermediate or the server's own may stand there, as
/// in Go), names verified by subjectAltName alone, no renegotiation, no sessions. It never changes:
/// new files are a new context, since one that is altered in use lets sessions of the old one
/// through. Thread-safe.
class ClientContext {
 public:
  /// kInvalidArgument says what is wrong with which PEM.
  static base::Result<std::shared_ptr<const ClientContext>> make(
      const ClientContextOptions& options);

  /// Makes `transport` speak TLS with the peer that has a certificate for `name`, a DNS name or an
  /// IP address, before `deadline`. The clock judges whether certificates have expired. Counts
  /// faults in podkeeper_tls_errors_total. `context` is kept as long as the handshake needs it.
  static base::Task<base::Result<std::unique_ptr<base::Stream>>> connect(
      std::shared_ptr<const ClientContext> context, std::unique_ptr<base::Stream> transport,
      std::string name, base::Clock& clock, telemetry::Metrics& metrics,
      base::MonotonicTime deadline);

 private:
  explicit ClientContext(SslContextHandle context) : context_(std::move(context)) {}
  [[nodiscard]] base::Result<SslHandle> new_ssl(const std::string& name, base::WallTime now) const;

  SslContextHandle context_;
};

}  // namespace podkeeper::tls
