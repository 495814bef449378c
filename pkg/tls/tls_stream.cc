#include "pkg/tls/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <utility>

namespace podkeeper::tls {

using base::Error;
using base::ErrorCode;

namespace {

constexpr std::size_t kReceiveBytes = 32 * 1024;  ///< a record is 16 KiB and a little
/// As much is encrypted before it is written.
constexpr std::size_t kPendingBytesMax = 256 * 1024;
constexpr std::size_t kEncryptBytes = 64 * 1024;

}  // namespace

void SslContextFree::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }
void SslFree::operator()(ssl_st* ssl) const noexcept { SSL_free(ssl); }

TlsStream::TlsStream(std::unique_ptr<base::Stream> transport, SslHandle ssl, std::string wanted,
                     OnFault on_fault)
    : transport_(std::move(transport)),
      ssl_(std::move(ssl)),
      wanted_(std::move(wanted)),
      on_fault_(std::move(on_fault)) {
  SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));  // which owns them
  SSL_set_app_data(ssl_.get(), this);
}

TlsStream::~TlsStream() = default;

void TlsStream::note(BadCertificate bad) {
  if (!bad_certificate_) bad_certificate_ = std::move(bad);
}

Error TlsStream::fail(Fault fault) {
  if (on_fault_) on_fault_(fault.reason);
  broken_ = fault.error;
  return std::move(fault.error);
}

Error TlsStream::fail_by_queue(const char* verb) {
  Fault fault = fault_of_queue(verb, peer());
  if (bad_certificate_) {
    fault.reason = bad_certificate_->reason;
    fault.error = {ErrorCode::kProtocol,
                   std::string(verb) + " " + peer() + ": TLS: " + bad_certificate_->message};
  }
  return fail(std::move(fault));
}

base::Task<base::Result<void>> TlsStream::flush() {
  BIO* const out = SSL_get_wbio(ssl_.get());
  while (BIO_ctrl_pending(out) > 0) {
    std::string bytes(BIO_ctrl_pending(out), '\0');
    std::size_t size = 0;
    (void)BIO_read_ex(out, bytes.data(), bytes.size(), &size);
    const std::array pieces{boost::asio::const_buffer(bytes.data(), size)};
    auto writing = transport_->write(pieces);
    auto written = co_await std::move(writing);
    if (!written) co_return std::move(written).error();
  }
  co_return base::Result<void>{};
}

base::Task<base::Result<void>> TlsStream::receive(const char* verb) {
  received_.resize(kReceiveBytes);
  auto reading = transport_->read_some(boost::asio::buffer(received_));
  auto got = co_await std::move(reading);
  if (!got) co_return std::move(got).error();
  if (*got == 0) {
    co_return fail({Reason::kCut,
                    {ErrorCode::kUnavailable,
                     std::string(verb) + " " + peer() + ": TLS: the connection was cut"}});
  }
  std::size_t taken = 0;
  (void)BIO_write_ex(SSL_get_rbio(ssl_.get()), received_.data(), *got, &taken);
  co_return base::Result<void>{};
}

base::Task<base::Result<void>> TlsStream::handshake() {
  constexpr const char* kVerb = "connect to";
  while (true) {
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl_.get());
    const int why = SSL_get_error(ssl_.get(), done);
    std::optional<Error> failed;
    if (done != 1 && why != SSL_ERROR_WANT_READ) failed = fail_by_queue(kVerb);
    // Also after a failure: the alert tells the peer why.
    auto flushing = flush();
    auto went = co_await std::move(flushing);
    if (failed) co_return *std::move(failed);
    if (done == 1 && went) co_return base::Result<void>{};
    if (went) {
      auto receiving = receive(kVerb);
      went = co_await std::move(receiving);
    }
    if (went) continue;
    if (broken_) co_return *broken_;
    const bool late = went.error().code == ErrorCode::kTimeout;
    co_return fail({late ? Reason::kTimeout : Reason::kCut,
                    {went.error().code, went.error().message + " (in the TLS handshake)"}});
  }
}

base::Task<base::Result<std::size_t>> TlsStream::read_some(boost::asio::mutable_buffer into) {
  if (into.size() == 0) co_return std::size_t{0};
  while (true) {
    if (broken_) co_return *broken_;
    ERR_clear_error();
    std::size_t size = 0;
    const int done = SSL_read_ex(ssl_.get(), into.data(), into.size(), &size);
    if (done == 1) co_return size;
    const int why = SSL_get_error(ssl_.get(), done);
    if (why == SSL_ERROR_ZERO_RETURN) co_return std::size_t{0};
    if (why != SSL_ERROR_WANT_READ) co_return fail_by_queue("read from");
    auto receiving = receive("read from");
    auto received = co_await std::move(receiving);
    if (!received) co_return std::move(received).error();
  }
}

base::Task<base::Result<void>> TlsStream::write(std::span<const boost::asio::const_buffer> pieces) {
  BIO* const out = SSL_get_wbio(ssl_.get());
  for (boost::asio::const_buffer piece : pieces) {
    while (piece.size() > 0) {
      if (broken_) co_return *broken_;
      ERR_clear_error();
      std::size_t taken = 0;
      const int done =
          SSL_write_ex(ssl_.get(), piece.data(), std::min(piece.size(), kEncryptBytes), &taken);
      if (done != 1) co_return fail_by_queue("write to");
      piece += taken;
      if (BIO_ctrl_pending(out) < kPendingBytesMax) continue;
      auto flushing = flush();
      auto flushed = co_await std::move(flushing);
      if (!flushed) co_return flushed;
    }
  }
  auto flushing = flush();
  co_return co_await std::move(flushing);
}

void TlsStream::set_deadline(base::MonotonicTime when) { transport_->set_deadline(when); }
void TlsStream::shutdown_write() noexcept { transport_->shutdown_write(); }
void TlsStream::close() noexcept { transport_->close(); }
std::string TlsStream::peer() const { return transport_->peer(); }

}  // namespace podkeeper::tls
