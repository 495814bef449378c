#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace podkeeper::tls::testing {

/// A certificate and its key, as PEM.
struct Pair {
  std::string certificate;
  std::string key;
};

struct CertificateOptions {
  std::string name = "podkeeper-test";           ///< the subject's common name
  std::vector<std::string> dns = {};             ///< subjectAltName; bytes as they are, NUL too
  std::vector<std::string> addresses = {};       ///< subjectAltName: "127.0.0.1", "::1"
  std::chrono::system_clock::time_point from{};  ///< default: before any test's time
  std::chrono::system_clock::time_point to =
      std::chrono::system_clock::time_point::max();  ///< default: after it
  bool authority = false;
};

/// Makes a certificate over a fresh P-256 key, signed by `issuer` or by itself.
Pair make_certificate(const CertificateOptions& options, const Pair* issuer = nullptr);

}  // namespace podkeeper::tls::testing
