#pragma once

#include <array>
#include <fcntl.h>
#include <optional>
#include <unistd.h>
#include <utility>

namespace podkeeper::runtime {

/// A descriptor that is closed at its end; negative: none. Moves, does not copy.
class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  ~OwnedFd() { reset(); }
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  [[nodiscard]] int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }
  void reset() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

struct Pipe {
  OwnedFd read;
  OwnedFd write;
};

/// Closed in other programs. Empty where the system has no descriptors left (errno).
inline std::optional<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::nullopt;
  return Pipe{.read = OwnedFd(ends[0]), .write = OwnedFd(ends[1])};
}

}  // namespace podkeeper::runtime
