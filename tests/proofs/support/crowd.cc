#include "tests/proofs/support/crowd.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/proofs/support/proof.h"

namespace podkeeper::proofs {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kSources = 64;
constexpr std::uint32_t kFirstSource = 0x7f000101;  // 127.0.1.1
constexpr int kReceiveBytes = 4096;
/// So often each connection that drips sends one piece.
constexpr milliseconds kDripEvery{2'000};
constexpr milliseconds kTurn{10};

/// The next connect() is a reset to the peer and leaves no TIME_WAIT behind.
void close_by_reset(int fd) {
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  ::close(fd);
}

milliseconds since(steady_clock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
}

}  // namespace

struct Crowd::Member {
  std::size_t kind = 0;
  std::uint32_t source = 0;
  int fd = -1;
  bool connected = false;
  bool answered_otherwise = false;
  steady_clock::time_point began;
};

Crowd::Crowd(std::uint16_t port, std::vector<Bad> kinds, std::size_t connects_per_second)
    : port_(port),
      kinds_(std::move(kinds)),
      connects_per_second_(connects_per_second),
      seen_(kinds_.size()),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      started_(steady_clock::now()) {
  require(epoll_ >= 0, "no descriptor for epoll");
  std::size_t most = 0;
  for (const Bad& kind : kinds_) most = std::max(most, kind.count);
  // The kinds take turns, so that each is there from the first second.
  for (std::size_t i = 0; i < most; ++i) {
    for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
      if (i >= kinds_[kind].count) continue;
      auto member = std::make_unique<Member>();
      member->kind = kind;
      member->source = kFirstSource + static_cast<std::uint32_t>(members_.size() % kSources);
      members_.push_back(std::move(member));
    }
  }
  thread_ = std::thread([this] { run(); });
}

Crowd::~Crowd() {
  stop();
  ::close(epoll_);
}

std::map<std::string, Crowd::Seen> Crowd::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  std::map<std::string, Seen> seen;
  for (std::size_t i = 0; i < kinds_.size(); ++i) seen[kinds_[i].name] = seen_[i];
  return seen;
}

void Crowd::run() {
  // Of this thread alone, on Linux: whoever is attacked, and the good client, go first.
  ::setpriority(PRIO_PROCESS, 0, 19);
  std::array<epoll_event, 256> events{};
  while (!stopping_) {
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                                   static_cast<int>(kTurn.count()));
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      on_event(*static_cast<Member*>(event.data.ptr), event.events);
    }
    connect_some();
    drip();
  }
  for (auto& member : members_) {
    if (member->fd >= 0) drop(*member, false);
  }
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  cpu_seconds_ = static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

void Crowd::connect_some() {
  const auto due =
      static_cast<std::uint64_t>(since(started_).count()) * connects_per_second_ / 1000;
  for (std::size_t looked = 0; connects_ < due && looked < members_.size(); ++looked) {
    Member& member = *members_[next_];
    next_ = (next_ + 1) % members_.size();
    if (member.fd >= 0) {
      if (since(member.began) < kinds_[member.kind].stays) continue;
      drop(member, false);
    }
    ++connects_;
    if (!connect_one(member)) ++seen_[member.kind].failed;
  }
  connects_ = due;  // what found nobody to connect is not caught up with
}

bool Crowd::connect_one(Member& member) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  if (!kinds_[member.kind].reads) {
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBytes, sizeof kReceiveBytes);
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_in from{};
  from.sin_family = AF_INET;
  from.sin_addr.s_addr = htonl(member.source);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port_);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool begun = ::bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) == 0 &&
                     (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 ||
                      errno == EINPROGRESS);
  if (!begun) {
    ::close(fd);
    return false;
  }
  member.fd = fd;
  member.connected = false;
  member.answered_otherwise = false;
  member.began = steady_clock::now();
  watch(member, EPOLLOUT, EPOLL_CTL_ADD);
  ++open_;
  return true;
}

void Crowd::watch(Member& member, std::uint32_t events, int operation) const {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &member;
  ::epoll_ctl(epoll_, operation, member.fd, &event);
}

void Crowd::on_event(Member& member, std::uint32_t events) {
  if (member.fd < 0) return;
  const Bad& kind = kinds_[member.kind];
  if (!member.connected && (events & EPOLLOUT) != 0 && (events & (EPOLLERR | EPOLLHUP)) == 0) {
    member.connected = true;
    ++seen_[member.kind].opened;
    (void)::send(member.fd, kind.opening.data(), kind.opening.size(), MSG_NOSIGNAL);
    return watch(member, kind.reads ? EPOLLIN : EPOLLRDHUP, EPOLL_CTL_MOD);
  }
  if (kind.reads && (events & EPOLLIN) != 0) {
    char bytes[4096];
    const ssize_t got = ::recv(member.fd, bytes, sizeof bytes, 0);
    if (got > 0) {
      const std::string_view text(bytes, static_cast<std::size_t>(got));
      if (text.starts_with("HTTP/1.1 503") || text.starts_with("HTTP/1.1 429")) {
        member.answered_otherwise = true;
      }
      return;
    }
  }
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0) drop(member, true);
}

void Crowd::drip() {
  const auto total = static_cast<std::uint64_t>(members_.size());
  const auto due = static_cast<std::uint64_t>(since(started_).count()) * total /
                   static_cast<std::uint64_t>(kDripEvery.count());
  for (; drips_ < due; ++drips_) {
    const Member& member = *members_[next_drip_];
    next_drip_ = (next_drip_ + 1) % members_.size();
    const std::string& drop_of = kinds_[member.kind].drop;
    if (member.fd < 0 || !member.connected || drop_of.empty()) continue;
    (void)::send(member.fd, drop_of.data(), drop_of.size(), MSG_NOSIGNAL);
  }
}

void Crowd::drop(Member& member, bool by_server) {
  Seen& seen = seen_[member.kind];
  if (by_server && member.connected) {
    ++seen.cut;
    if (member.answered_otherwise) ++seen.refused;
    seen.longest = std::max(seen.longest, since(member.began));
  } else if (by_server) {
    ++seen.failed;
  }
  close_by_reset(member.fd);
  member.fd = -1;
  --open_;
}

std::size_t raise_open_files() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace podkeeper::proofs
