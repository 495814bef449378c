#pragma once

#include "pkg/base/net.h"
#include "pkg/tls/fault.h"
#include "pkg/tls/handles.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace podkeeper::tls {

/// TLS over any Stream, as a Stream: OpenSSL between two memory buffers, so that it runs over TCP
/// and over a simulated connection alike, and no deadline or stop passes it by. The reading task
/// never writes and the writing task never reads, as renegotiation is off; what a read makes
/// OpenSSL say (the answer to a key update) goes out with the next write.
///
/// An end without TLS's own is an error (kUnavailable), since anybody on the path can make one; so
/// is what follows any fault. shutdown_write() gives the peer such an end.
class TlsStream final : public base::Stream {
 public:
  using OnFault = std::function<void(Reason)>;
  /// `ssl` is set to connect or accept already. `wanted` is for messages: whom we want to talk to.
  /// `on_fault` is told of each fault once; it may be empty.
  TlsStream(std::unique_ptr<base::Stream> transport, SslHandle ssl, std::string wanted,
            OnFault on_fault);
  ~TlsStream() override;

  /// Comes first, and once. kProtocol for a peer that is not the one we want, kUnauthorized for one
  /// that does not want us, kTimeout, kUnavailable; each says why and what to do.
  base::Task<base::Result<void>> handshake();

  base::Task<base::Result<std::size_t>> read_some(boost::asio::mutable_buffer into) override;
  base::Task<base::Result<void>> write(std::span<const boost::asio::const_buffer> pieces) override;
  void set_deadline(base::MonotonicTime when) override;
  void shutdown_write() noexcept override;
  void close() noexcept override;
  [[nodiscard]] std::string peer() const override;

  /// For the verification's callback: the first fault that was found.
  void note(BadCertificate bad);
  [[nodiscard]] const std::string& wanted() const noexcept { return wanted_; }

 private:
  /// Sends what OpenSSL wants to say.
  base::Task<base::Result<void>> flush();
  /// Gives OpenSSL more of what the peer said.
  base::Task<base::Result<void>> receive(const char* verb);
  base::Error fail(Fault fault);
  base::Error fail_by_queue(const char* verb);

  std::unique_ptr<base::Stream> transport_;
  SslHandle ssl_;
  const std::string wanted_;
  OnFault on_fault_;
  std::vector<char> received_;
  std::optional<BadCertificate> bad_certificate_;
  std::optional<base::Error> broken_;
};

}  // namespace podkeeper::tls
