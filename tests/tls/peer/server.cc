#include "tests/tls/peer/server.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <stdexcept>
#include <utility>

namespace podkeeper::tls::testing {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free_all)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Bio reader(const std::string& pem) {
  return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free_all};
}

Certificate certificate_of(const std::string& pem) {
  return {PEM_read_bio_X509(reader(pem).get(), nullptr, nullptr, nullptr), X509_free};
}

}  // namespace

ServerContext::ServerContext(const ServerOptions& options)
    : context_(SSL_CTX_new(TLS_server_method())) {
  SSL_CTX* const context = context_.get();
  // What a test wants to offer, a careful server would not.
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context, options.version_max);
  const Key key(
      PEM_read_bio_PrivateKey(reader(options.identity.key).get(), nullptr, nullptr, nullptr),
      EVP_PKEY_free);
  const auto certificate = certificate_of(options.identity.certificate);
  if (SSL_CTX_use_certificate(context, certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    throw std::runtime_error("a test's server has no identity");
  }
  if (options.client_authority.empty()) return;
  const auto authority = certificate_of(options.client_authority);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get());
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
}

std::unique_ptr<TlsStream> ServerContext::secure(std::unique_ptr<base::Stream> transport) const {
  SslHandle ssl(SSL_new(context_.get()));
  SSL_set_accept_state(ssl.get());
  return std::make_unique<TlsStream>(std::move(transport), std::move(ssl), "a client",
                                     TlsStream::OnFault{});
}

}  // namespace podkeeper::tls::testing
