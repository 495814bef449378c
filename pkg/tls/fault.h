#pragma once

#include "pkg/base/result.h"

#include <optional>
#include <string>
#include <string_view>

struct x509_st;

namespace podkeeper::tls {

/// Why TLS failed: the closed set of podkeeper_tls_errors_total's label.
enum class Reason {
  kAuthority,          ///< nobody we trust signed the peer's certificate
  kName,               ///< the certificate is for other names
  kExpired,            ///< not valid yet, or no longer
  kCertificate,        ///< another fault of the peer's certificate
  kVersion,            ///< no protocol version in common
  kClientCertificate,  ///< the peer wants a certificate of ours, or refuses the one it got
  kProtocol,           ///< the peer does not speak TLS, or breaks it
  kCut,                ///< the connection ended without TLS's own end
  kTimeout,
};
std::string_view to_string(Reason reason) noexcept;

struct Fault {
  Reason reason = Reason::kProtocol;
  base::Error error = {};
};

/// What was found wrong with a certificate while it was verified, in words for people.
struct BadCertificate {
  Reason reason = Reason::kCertificate;
  std::string message;
};
/// `code` is of X509_V_ERR_*; `wanted` is the name or address that was asked for.
BadCertificate describe(int code, x509_st* certificate, std::string_view wanted);

/// The fault that OpenSSL's error queue tells; empties it.
Fault fault_of_queue(std::string_view verb, std::string_view peer);

}  // namespace podkeeper::tls
