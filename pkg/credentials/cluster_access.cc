#include "pkg/credentials/cluster_access.h"

#include <algorithm>

namespace podkeeper::credentials {
namespace {

bool is_alphanumeric(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool host_like(std::string_view host) noexcept {
  return !host.empty() && std::ranges::all_of(host, [](char c) {
    return is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == ':';
  });
}

bool path_like(std::string_view path) noexcept {
  return std::ranges::all_of(
      path, [](char c) { return is_alphanumeric(c) || std::string_view("/-._~:%").contains(c); });
}

/// The port of the scheme where none is written.
std::string with_port(std::string_view authority, bool tls) {
  std::string text(authority);
  const bool bracketed = authority.ends_with(']');
  if (bracketed || !authority.contains(':')) text += tls ? ":443" : ":80";
  return text;
}

}  // namespace

base::Result<ServerUrl> parse_server_url(std::string_view text) {
  // The URL itself is left out where it might hold a password.
  const auto wrong = [&](std::string_view why) {
    const std::string shown = text.contains('@') ? "" : " \"" + std::string(text) + "\"";
    return base::Error{base::ErrorCode::kInvalidArgument,
                       "server" + shown + ": " + std::string(why)};
  };
  ServerUrl url;
  url.tls = text.starts_with("https://");
  if (!url.tls && !text.starts_with("http://")) {
    return wrong("the URL does not begin with https:// or http://");
  }
  const std::string_view rest = text.substr(url.tls ? 8 : 7);
  if (rest.contains('@')) {
    return wrong("a user in the URL is not supported; use a token or a client certificate");
  }
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  url.path = rest.substr(slash);
  while (url.path.ends_with('/')) url.path.pop_back();
  if (!path_like(url.path)) {
    return wrong("the path has characters that it cannot have, such as ?, # or a space");
  }
  if (slash == 0 || rest.starts_with(':')) return wrong("the host is missing");
  auto endpoint = base::parse_endpoint(with_port(rest.substr(0, slash), url.tls));
  if (!endpoint) return wrong(endpoint.error().message);
  if (endpoint->port == 0) return wrong("the port is 0");
  if (!host_like(endpoint->host)) return wrong("the host has characters that no host has");
  url.endpoint = *std::move(endpoint);
  return url;
}

std::string to_string(const ServerUrl& url) {
  return (url.tls ? "https://" : "http://") + base::to_string(url.endpoint) + url.path;
}

bool token_like(std::string_view token) noexcept {
  return !token.empty() && std::ranges::all_of(token, [](char c) { return c > ' ' && c < 0x7F; });
}

}  // namespace podkeeper::credentials
