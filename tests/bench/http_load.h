#pragma once

#include <zlib.h>

#include <arpa/inet.h>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <netinet/in.h>
#include <pthread.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace podkeeper::bench {

[[noreturn]] inline void fail(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

inline std::string inflate_file(const std::string& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) fail("cannot open " + path);
  std::string content;
  std::string buffer(1 << 20, '\0');
  int n = 0;
  while ((n = gzread(file, buffer.data(), static_cast<unsigned>(buffer.size()))) > 0) {
    content.append(buffer.data(), static_cast<std::size_t>(n));
  }
  gzclose(file);
  if (n < 0) fail("cannot inflate " + path);
  return content;
}

inline double thread_cpu_seconds(pthread_t thread) {
  clockid_t clock{};
  timespec t{};
  if (pthread_getcpuclockid(thread, &clock) != 0 || clock_gettime(clock, &t) != 0)
    fail("no CPU clock of the thread");
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

/// Sends `count` GETs one after the other over one kept-alive connection and reads each answer
/// whole. Answers must carry a Content-Length.
inline void load(std::uint16_t port, const std::string& path, std::size_t count) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    fail("cannot connect");
  const std::string request =
      "GET " + path + " HTTP/1.1\r\nHost: bench\r\nAccept: application/json\r\n\r\n";
  std::string buffer(1 << 20, '\0');
  for (std::size_t i = 0; i < count; ++i) {
    if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size()))
      fail("cannot send");
    std::string head;
    std::size_t left = 0;
    for (std::size_t end = std::string::npos; end == std::string::npos;
         end = head.find("\r\n\r\n")) {
      const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (n <= 0) fail("the server closed before its answer's head ended");
      head.append(buffer.data(), static_cast<std::size_t>(n));
    }
    const std::size_t body = head.find("\r\n\r\n") + 4;
    const std::size_t length = head.find("Content-Length: ");
    if (head.compare(9, 3, "200") != 0 || length > body)
      fail("not a 200 with a Content-Length: " + head.substr(0, 200));
    left = std::stoul(head.substr(length + 16)) - (head.size() - body);
    while (left > 0) {
      const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (n <= 0) fail("the server closed before its answer ended");
      left -= static_cast<std::size_t>(n);
    }
  }
  ::close(fd);
}

}  // namespace podkeeper::bench
