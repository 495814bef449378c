#pragma once

#include "pkg/base/net.h"
#include "pkg/base/task.h"
#include "pkg/tls/handles.h"
#include "pkg/tls/tls_stream.h"

#include <memory>
#include <string>

#include "tests/tls/peer/certificates.h"

namespace podkeeper::tls::testing {

struct ServerOptions {
  Pair identity;
  std::string client_authority = {};  ///< PEM: a certificate signed by it is demanded
  int version_max = 0;                ///< TLS1_1_VERSION and the like; 0: the newest
};

/// The server's side of TLS, for one certificate.
class ServerContext {
 public:
  explicit ServerContext(const ServerOptions& options);
  /// Speaks TLS on an accepted connection; the handshake is still to come.
  [[nodiscard]] std::unique_ptr<TlsStream> secure(std::unique_ptr<base::Stream> transport) const;

 private:
  SslContextHandle context_;
};

}  // namespace podkeeper::tls::testing
