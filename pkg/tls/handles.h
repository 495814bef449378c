#pragma once

#include <memory>

struct ssl_ctx_st;
struct ssl_st;

namespace podkeeper::tls {

/// OpenSSL's objects without its headers.
struct SslContextFree {
  void operator()(ssl_ctx_st* context) const noexcept;
};
struct SslFree {
  void operator()(ssl_st* ssl) const noexcept;
};
using SslContextHandle = std::unique_ptr<ssl_ctx_st, SslContextFree>;
using SslHandle = std::unique_ptr<ssl_st, SslFree>;

}  // namespace podkeeper::tls
