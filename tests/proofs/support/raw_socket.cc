#include "tests/proofs/support/raw_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/proofs/support/proof.h"

namespace podkeeper::proofs {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view kVersion = "HTTP/1.1 ";

bool wait_for(int fd, short events, steady_clock::time_point by) {
  const auto left = std::chrono::duration_cast<milliseconds>(by - steady_clock::now());
  pollfd descriptor{.fd = fd, .events = events, .revents = 0};
  return left.count() > 0 && ::poll(&descriptor, 1, static_cast<int>(left.count())) > 0;
}

}  // namespace

RawSocket::RawSocket(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  require(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
          "connection refused");
}

RawSocket::~RawSocket() { ::close(fd_); }

void RawSocket::send(std::string_view bytes) const {
  const auto by = steady_clock::now() + std::chrono::seconds(1);
  while (!bytes.empty() && wait_for(fd_, POLLOUT, by)) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

RawSocket::Heard RawSocket::hear(milliseconds limit) const {
  const auto by = steady_clock::now() + limit;
  Heard heard;
  std::string text;
  while (wait_for(fd_, POLLIN, by)) {
    char bytes[4096];
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    if (got <= 0) {
      heard.closed = true;
      break;
    }
    text.append(bytes, static_cast<std::size_t>(got));
  }
  for (std::size_t at = text.find(kVersion); at != std::string::npos;
       at = text.find(kVersion, at + 1)) {
    const std::string code = text.substr(at + kVersion.size(), 3);
    if (code.size() == 3 && code.find_first_not_of("0123456789") == std::string::npos) {
      heard.statuses.push_back(std::stoi(code));
    }
  }
  return heard;
}

int RawSocket::get(const std::string& target) {
  const std::string request = "GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
  send(request);
  std::string text;
  std::size_t wanted = std::string::npos;
  const auto by = steady_clock::now() + std::chrono::seconds(30);
  while (text.size() < wanted) {
    char bytes[65536];
    if (!wait_for(fd_, POLLIN, by)) return 0;
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    if (got <= 0) return 0;
    text.append(bytes, static_cast<std::size_t>(got));
    if (wanted != std::string::npos) continue;
    const std::size_t head = text.find("\r\n\r\n");
    if (head == std::string::npos) continue;
    const std::size_t length = text.find("Content-Length: ");
    require(length < head, "an answer without a length");
    wanted = head + 4 + std::stoul(text.substr(length + 16));
  }
  return std::stoi(text.substr(kVersion.size(), 3));
}

}  // namespace podkeeper::proofs
