#include "tests/tls/peer/certificates.h"

#include <boost/asio/ip/address.hpp>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

namespace podkeeper::tls::testing {
namespace {

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free_all)>;

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

ASN1_OCTET_STRING* octets(const std::string& text) {
  const auto address = boost::asio::ip::make_address(text);
  auto* bytes = ASN1_OCTET_STRING_new();
  if (address.is_v4()) {
    ASN1_OCTET_STRING_set(bytes, address.to_v4().to_bytes().data(), 4);
  } else {
    ASN1_OCTET_STRING_set(bytes, address.to_v6().to_bytes().data(), 16);
  }
  return bytes;
}

void add_names(X509* certificate, const CertificateOptions& options) {
  GENERAL_NAMES* names = GENERAL_NAMES_new();
  for (const std::string& dns : options.dns) {
    GENERAL_NAME* name = GENERAL_NAME_new();
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, dns.data(), static_cast<int>(dns.size()));
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
    sk_GENERAL_NAME_push(names, name);
  }
  for (const std::string& address : options.addresses) {
    GENERAL_NAME* name = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(name, GEN_IPADD, octets(address));
    sk_GENERAL_NAME_push(names, name);
  }
  X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0);
  GENERAL_NAMES_free(names);
}

void add_constraints(X509* certificate) {
  BASIC_CONSTRAINTS* constraints = BASIC_CONSTRAINTS_new();
  constraints->ca = 0xFF;
  X509_add1_ext_i2d(certificate, NID_basic_constraints, constraints, 1, 0);
  BASIC_CONSTRAINTS_free(constraints);
}

/// A moment that ASN.1 can write: the years 1970 to 9999.
std::time_t seconds(std::chrono::system_clock::time_point when) {
  constexpr std::time_t kLast = 253'402'300'799;
  return std::clamp<std::time_t>(std::chrono::system_clock::to_time_t(when), 0, kLast);
}

template <class Read>
auto from_pem(const std::string& pem, Read read) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free_all);
  return read(bio.get(), nullptr, nullptr, nullptr);
}

}  // namespace

Pair make_certificate(const CertificateOptions& options, const Pair* issuer) {
  static long serial = 0;
  const Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const Certificate certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(options.name.c_str()), -1, -1,
                             0);
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), seconds(options.from));
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), seconds(options.to));
  X509_set_pubkey(certificate.get(), key.get());
  if (options.authority) add_constraints(certificate.get());
  add_names(certificate.get(), options);
  const Certificate parent(
      issuer == nullptr ? nullptr : from_pem(issuer->certificate, PEM_read_bio_X509), X509_free);
  const Key signer(issuer == nullptr ? nullptr : from_pem(issuer->key, PEM_read_bio_PrivateKey),
                   EVP_PKEY_free);
  X509_set_issuer_name(certificate.get(),
                       X509_get_subject_name(parent ? parent.get() : certificate.get()));
  if (X509_sign(certificate.get(), signer ? signer.get() : key.get(), EVP_sha256()) == 0) {
    throw std::runtime_error("a test's certificate cannot be signed");
  }
  const Bio out(BIO_new(BIO_s_mem()), BIO_free_all);
  PEM_write_bio_X509(out.get(), certificate.get());
  const Bio key_out(BIO_new(BIO_s_mem()), BIO_free_all);
  PEM_write_bio_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return {.certificate = text_of(out.get()), .key = text_of(key_out.get())};
}

}  // namespace podkeeper::tls::testing
