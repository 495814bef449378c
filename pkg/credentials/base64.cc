#include "pkg/credentials/base64.h"

#include <openssl/evp.h>

#include <algorithm>

namespace podkeeper::credentials {
namespace {

const unsigned char* bytes_of(const std::string_view& text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text) noexcept {
  return reinterpret_cast<unsigned char*>(text.data());
}

}  // namespace

std::optional<std::string> base64_decoded(std::string_view text) {
  std::string dense;
  std::ranges::copy_if(text, std::back_inserter(dense),
                       [](char c) { return c != '\r' && c != '\n'; });
  if (dense.size() % 4 != 0) return std::nullopt;
  const std::size_t content = std::min(dense.find('='), dense.size());
  const std::size_t padding = dense.size() - content;
  // OpenSSL passes over blanks at either end, and takes padding for zeros wherever it stands.
  const bool plain = padding <= 2 && dense.find_first_of(" \t") == std::string::npos &&
                     dense.find_first_not_of('=', content) == std::string::npos;
  if (!plain) return std::nullopt;
  std::string decoded(dense.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(bytes_of(decoded), bytes_of(std::string_view(dense)),
                                   static_cast<int>(dense.size()));
  if (size < 0 || static_cast<std::size_t>(size) != decoded.size()) return std::nullopt;
  decoded.resize(decoded.size() - padding);
  return decoded;
}

std::string base64_encoded(std::string_view bytes) {
  std::string encoded((bytes.size() + 2) / 3 * 4 + 1, '\0');  // it ends its text with a zero
  const int size =
      EVP_EncodeBlock(bytes_of(encoded), bytes_of(bytes), static_cast<int>(bytes.size()));
  encoded.resize(static_cast<std::size_t>(size));
  return encoded;
}

}  // namespace podkeeper::credentials
