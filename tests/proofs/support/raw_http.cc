#include "tests/proofs/support/raw_http.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>
#include <netinet/in.h>
#include <optional>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace podkeeper::proofs {
namespace {

/// Owns a connected socket and what was read but not yet used.
class Connection {
 public:
  explicit Connection(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval limit{.tv_sec = 30, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~Connection() { ::close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  /// Bytes up to and including `end`; empty when the connection ends first.
  std::optional<std::string> read_until(std::string_view end) {
    for (std::size_t from = 0;;) {
      const std::size_t at = buffer_.find(end, from);
      if (at != std::string::npos) return take(at + end.size());
      from = buffer_.size() < end.size() ? 0 : buffer_.size() - end.size();
      if (!fill()) return std::nullopt;
    }
  }
  std::optional<std::string> read_exactly(std::size_t count) {
    while (buffer_.size() < count) {
      if (!fill()) return std::nullopt;
    }
    return take(count);
  }
  std::string read_rest() {
    while (fill()) {
    }
    return take(buffer_.size());
  }

 private:
  std::string take(std::size_t count) {
    std::string part = buffer_.substr(0, count);
    buffer_.erase(0, count);
    return part;
  }
  bool fill() {
    char bytes[65536];
    const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
    if (n <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(n));
    return true;
  }
  int fd_;
  bool connected_ = false;
  std::string buffer_;
};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

using OnData = std::function<bool(std::string&&)>;

/// Reads chunks until the last one; false when they stop before it.
bool read_chunks(Connection& connection, const OnData& on_data) {
  for (;;) {
    const auto size_line = connection.read_until("\r\n");
    if (!size_line) return false;
    const std::size_t size = std::stoul(*size_line, nullptr, 16);
    auto data = connection.read_exactly(size + 2);
    if (!data) return false;
    if (size == 0) return true;
    data->resize(size);
    if (!on_data(std::move(*data))) return false;
  }
}

RawResponse exchange(std::uint16_t port, const std::string& request, const OnData& on_data) {
  RawResponse response;
  Connection connection(port);
  if (!connection.connected() || !connection.send(request)) return response;
  const auto head = connection.read_until("\r\n\r\n");
  if (!head) return response;
  response.head = *head;
  response.status = std::stoi(head->substr(9, 3));
  const std::string fields = lower(*head);
  if (fields.find("transfer-encoding: chunked") != std::string::npos) {
    response.complete = read_chunks(connection, on_data);
  } else if (const auto at = fields.find("content-length: "); at != std::string::npos) {
    auto body = connection.read_exactly(std::stoul(fields.substr(at + 16)));
    response.complete = body.has_value();
    if (body) on_data(std::move(*body));
  } else {
    on_data(connection.read_rest());
    response.complete = true;
  }
  return response;
}

}  // namespace

RawResponse raw_request(std::uint16_t port, const std::string& target, const std::string& method,
                        const std::string& headers, const std::string& body) {
  std::string request =
      method + " " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + headers;
  if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  request += "\r\n" + body;
  std::string collected;
  RawResponse response = exchange(port, request, [&](std::string&& data) {
    collected += data;
    return true;
  });
  response.body = std::move(collected);
  return response;
}

RawResponse raw_stream(std::uint16_t port, const std::string& target,
                       const std::function<bool(std::string_view)>& on_line) {
  const std::string request = "GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
  std::string rest;
  return exchange(port, request, [&](std::string&& data) {
    rest += data;
    std::size_t start = 0;
    for (std::size_t end = 0; (end = rest.find('\n', start)) != std::string::npos;
         start = end + 1) {
      if (!on_line(std::string_view(rest).substr(start, end - start))) return false;
    }
    rest.erase(0, start);
    return true;
  });
}

}  // namespace podkeeper::proofs
