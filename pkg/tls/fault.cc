#include "pkg/tls/fault.h"

#include <boost/asio/ip/address.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

namespace podkeeper::tls {
namespace {

constexpr int kNamesShownMax = 8;
constexpr std::size_t kTextBytesMax = 200;

struct BioFree {
  void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, BioFree>;

/// What the peer wrote, without what would break a line of the log.
std::string shown(std::string_view text) {
  std::string plain(text.substr(0, kTextBytesMax));
  std::ranges::replace_if(plain, [](char c) { return c < ' ' || c >= 0x7F; }, '?');
  return plain;
}

template <class Print>
std::string printed(Print print) {
  const Bio bio(BIO_new(BIO_s_mem()));
  print(bio.get());
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &data);
  return shown({data, static_cast<std::size_t>(std::max(size, 0L))});
}

std::string name_text(const X509_NAME* name) {
  return printed([&](BIO* bio) { X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253); });
}

std::string time_text(const ASN1_TIME* time) {
  return printed([&](BIO* bio) { ASN1_TIME_print(bio, time); });
}

std::string_view bytes_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::string address_text(std::string_view bytes) {
  namespace ip = boost::asio::ip;
  ip::address_v4::bytes_type v4;
  ip::address_v6::bytes_type v6;
  if (bytes.size() == v4.size()) {
    std::ranges::copy(bytes, v4.begin());
    return ip::address_v4(v4).to_string();
  }
  if (bytes.size() != v6.size()) return "an address of a wrong length";
  std::ranges::copy(bytes, v6.begin());
  return ip::address_v6(v6).to_string();
}

/// The names and addresses that a certificate is for.
std::string names_text(const X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, void (*)(GENERAL_NAMES*)> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  std::string text;
  const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int i = 0; i < std::min(count, kNamesShownMax); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (!text.empty()) text += ", ";
    if (name->type == GEN_DNS) {
      text += shown(bytes_of(name->d.dNSName));
    } else {
      text += name->type == GEN_IPADD ? address_text(bytes_of(name->d.iPAddress)) : "another kind";
    }
  }
  if (count > kNamesShownMax) text += ", and more";
  return text.empty() ? "no name at all" : text;
}

struct Meaning {
  int code;
  Reason reason;
};
constexpr std::array kVerifyMeanings{
    Meaning{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, Reason::kAuthority},
    Meaning{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, Reason::kAuthority},
    Meaning{X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, Reason::kAuthority},
    Meaning{X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, Reason::kAuthority},
    Meaning{X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, Reason::kAuthority},
    Meaning{X509_V_ERR_CERT_SIGNATURE_FAILURE, Reason::kAuthority},
    Meaning{X509_V_ERR_HOSTNAME_MISMATCH, Reason::kName},
    Meaning{X509_V_ERR_IP_ADDRESS_MISMATCH, Reason::kName},
    Meaning{X509_V_ERR_CERT_HAS_EXPIRED, Reason::kExpired},
    Meaning{X509_V_ERR_CERT_NOT_YET_VALID, Reason::kExpired},
};

/// Alerts by which a peer tells what it thinks of our certificate, or of its lack.
constexpr std::array kClientCertificateAlerts{SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED,
                                              SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,
                                              SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
                                              SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED,
                                              SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
                                              SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN,
                                              SSL_R_TLSV1_ALERT_UNKNOWN_CA,
                                              SSL_R_TLSV1_ALERT_ACCESS_DENIED};
constexpr std::array kVersionFaults{SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION,
                                    SSL_R_NO_PROTOCOLS_AVAILABLE, SSL_R_VERSION_TOO_LOW};

bool among(const auto& reasons, int reason) {
  return std::ranges::find(reasons, reason) != reasons.end();
}

}  // namespace

std::string_view to_string(Reason reason) noexcept {
  switch (reason) {
    case Reason::kAuthority:
      return "authority";
    case Reason::kName:
      return "name";
    case Reason::kExpired:
      return "expired";
    case Reason::kCertificate:
      return "certificate";
    case Reason::kVersion:
      return "version";
    case Reason::kClientCertificate:
      return "client_certificate";
    case Reason::kProtocol:
      return "protocol";
    case Reason::kCut:
      return "cut";
    case Reason::kTimeout:
      return "timeout";
  }
  return "protocol";
}

BadCertificate describe(int code, X509* certificate, std::string_view wanted) {
  const auto* const found = std::ranges::find(kVerifyMeanings, code, &Meaning::code);
  BadCertificate bad;
  if (found != kVerifyMeanings.end()) bad.reason = found->reason;
  const std::string subject =
      certificate == nullptr ? "" : name_text(X509_get_subject_name(certificate));
  bad.message = "its certificate (" + subject + ") ";
  if (certificate != nullptr && bad.reason == Reason::kAuthority) {
    bad.message += "is signed by an authority that is not trusted (" +
                   name_text(X509_get_issuer_name(certificate)) +
                   "); give the one that signed it as certificate-authority";
  } else if (certificate != nullptr && bad.reason == Reason::kName) {
    bad.message += "is for " + names_text(certificate) + ", not for " + shown(wanted) +
                   "; use one of its names in the server's URL or as tls-server-name";
  } else if (certificate != nullptr && bad.reason == Reason::kExpired) {
    bad.message += "is valid from " + time_text(X509_get0_notBefore(certificate)) + " to " +
                   time_text(X509_get0_notAfter(certificate)) +
                   " only; renew it, or mend this machine's clock";
  } else {
    bad.message += std::string("is not accepted: ") + X509_verify_cert_error_string(code);
  }
  return bad;
}

Fault fault_of_queue(std::string_view verb, std::string_view peer) {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const int reason = ERR_GET_REASON(code);
  const char* text = ERR_reason_error_string(code);
  std::string message(verb);
  message.append(" ").append(peer).append(": TLS: ").append(text == nullptr ? "it broke" : text);
  if (among(kClientCertificateAlerts, reason)) {
    message += "; the server wants a client certificate that it trusts";
    return {Reason::kClientCertificate, {base::ErrorCode::kUnauthorized, std::move(message)}};
  }
  if (among(kVersionFaults, reason)) {
    message += "; the server must offer TLS 1.2 or 1.3";
    return {Reason::kVersion, {base::ErrorCode::kProtocol, std::move(message)}};
  }
  if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST) {
    message += "; what listens there does not speak TLS";
  }
  return {Reason::kProtocol, {base::ErrorCode::kProtocol, std::move(message)}};
}

}  // namespace podkeeper::tls
