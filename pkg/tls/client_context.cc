#include "pkg/tls/client_context.h"

#include "pkg/base/panic.h"
#include "pkg/telemetry/metric_names.h"
#include "pkg/tls/tls_stream.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <utility>
#include <vector>

namespace podkeeper::tls {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

template <class T, void (*Free)(T*)>
struct Freed {
  void operator()(T* thing) const noexcept { Free(thing); }
};
using Certificate = std::unique_ptr<X509, Freed<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO, BIO_free_all>>;

constexpr std::size_t kCertificatesMax = 1'000;
// The protocol's name with its length before it.
constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

Error wrong(std::string message) {
  ERR_clear_error();
  return {ErrorCode::kInvalidArgument, std::move(message)};
}

/// There is nobody to ask for a passphrase.
int no_passphrase(char*, int, int, void*) { return 0; }

Bio reader(const std::string& pem) {
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

Result<std::vector<Certificate>> read_certificates(const std::string& pem, const char* what) {
  const Bio bio = reader(pem);
  std::vector<Certificate> all;
  while (all.size() <= kCertificatesMax) {
    Certificate next(PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
    if (!next) break;
    all.push_back(std::move(next));
  }
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (all.empty()) return wrong(std::string(what) + " has no certificate in PEM form");
  if (!ended) {
    return wrong(std::string(what) + " is broken after its certificate " +
                 std::to_string(all.size()) + ", or has too many");
  }
  return all;
}

Result<void> trust(SSL_CTX* context, const std::string& authorities) {
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  if (authorities.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) == 1) return {};
    return wrong("the system's certificate authorities cannot be read");
  }
  auto certificates = read_certificates(authorities, "the certificate authority");
  if (!certificates) return std::move(certificates).error();
  for (const Certificate& certificate : *certificates) {
    if (X509_STORE_add_cert(store, certificate.get()) != 1) {
      return wrong("a certificate of the certificate authority cannot be used");
    }
  }
  return {};
}

Result<void> identify(SSL_CTX* context, const ClientContextOptions& options) {
  auto chain = read_certificates(options.certificate, "the client certificate");
  if (!chain) return std::move(chain).error();
  if (SSL_CTX_use_certificate(context, chain->front().get()) != 1) {
    return wrong("the client certificate cannot be used (its key may be too short)");
  }
  for (std::size_t i = 1; i < chain->size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, (*chain)[i].get()) != 1) {
      return wrong("the chain of the client certificate cannot be used");
    }
  }
  const Key key(
      PEM_read_bio_PrivateKey(reader(options.key).get(), nullptr, no_passphrase, nullptr));
  if (!key) return wrong("the client key has no private key in PEM form, or it is encrypted");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    return wrong("the client key is not that of the client certificate");
  }
  return {};
}

/// Called for every certificate of the chain; notes why one is refused, for the message.
int note_verdict(int good, X509_STORE_CTX* store) {
  if (good == 1) return good;
  auto* const ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* const stream = static_cast<TlsStream*>(SSL_get_app_data(ssl));
  stream->note(describe(X509_STORE_CTX_get_error(store), X509_STORE_CTX_get_current_cert(store),
                        stream->wanted()));
  return good;
}

void set_rules(SSL_CTX* context, bool verify) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(context, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                     verify ? note_verdict : nullptr);
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  (void)SSL_CTX_set_alpn_protos(context, kHttp11, sizeof kHttp11);
}

/// A name as certificates have it: without the dot that makes it absolute.
Result<std::string> certificate_name(std::string name) {
  while (name.ends_with('.')) name.pop_back();
  if (!name.empty() && name.find_first_of(std::string_view("\0\r\n ", 4)) == std::string::npos) {
    return name;
  }
  return wrong("the server's name \"" + name.substr(0, name.find('\0')) + "\" is no name");
}

}  // namespace

Result<std::shared_ptr<const ClientContext>> ClientContext::make(
    const ClientContextOptions& options) {
  ERR_clear_error();
  SslContextHandle context(SSL_CTX_new(TLS_client_method()));
  if (!context) return Error{ErrorCode::kIo, "OpenSSL cannot be set up"};
  set_rules(context.get(), options.verify);
  if (options.verify) {
    if (auto ok = trust(context.get(), options.authorities); !ok) return std::move(ok).error();
  }
  if (!options.certificate.empty()) {
    if (auto ok = identify(context.get(), options); !ok) return std::move(ok).error();
  }
  return std::shared_ptr<const ClientContext>(new ClientContext(std::move(context)));
}

Result<SslHandle> ClientContext::new_ssl(const std::string& name, base::WallTime now) const {
  SslHandle ssl(SSL_new(context_.get()));
  PK_CHECK(ssl != nullptr, "OpenSSL has no memory for a connection");
  SSL_set_connect_state(ssl.get());
  X509_VERIFY_PARAM* const param = SSL_get0_param(ssl.get());
  X509_VERIFY_PARAM_set_time(param, std::chrono::system_clock::to_time_t(
                                        std::chrono::time_point_cast<std::chrono::seconds>(now)));
  // As Go and RFC 6125: never the subject, and "*" stands for a whole label.
  X509_VERIFY_PARAM_set_hostflags(
      param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (X509_VERIFY_PARAM_set1_ip_asc(param, name.c_str()) == 1) return ssl;
  ERR_clear_error();  // no address, so a DNS name, which the server is told (SNI)
  const bool set = X509_VERIFY_PARAM_set1_host(param, name.data(), name.size()) == 1 &&
                   SSL_set_tlsext_host_name(ssl.get(), name.c_str()) == 1;
  if (!set) return wrong("the server's name \"" + name + "\" is no name");
  return ssl;
}

base::Task<Result<std::unique_ptr<base::Stream>>> ClientContext::connect(
    std::shared_ptr<const ClientContext> context, std::unique_ptr<base::Stream> transport,
    std::string name, base::Clock& clock, telemetry::Metrics& metrics,
    base::MonotonicTime deadline) {
  auto wanted = certificate_name(std::move(name));
  if (!wanted) co_return std::move(wanted).error();
  auto ssl = context->new_ssl(*wanted, clock.wall_now());
  if (!ssl) co_return std::move(ssl).error();
  auto stream = std::make_unique<TlsStream>(
      std::move(transport), *std::move(ssl), *std::move(wanted), [&metrics](Reason reason) {
        metrics.counter(telemetry::kTlsErrors, {to_string(reason)}).Increment();
      });
  stream->set_deadline(deadline);
  auto shaking = stream->handshake();
  auto shaken = co_await std::move(shaking);
  if (!shaken) co_return std::move(shaken).error();
  stream->set_deadline(base::MonotonicTime::max());
  co_return std::unique_ptr<base::Stream>(std::move(stream));
}

}  // namespace podkeeper::tls
