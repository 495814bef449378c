#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace podkeeper::proofs {

/// How one kind of hostile client behaves.
struct Bad {
  std::string name;
  std::size_t count = 0;  ///< connections held open at one time
  std::string opening;    ///< sent when connected; may be empty
  std::string drop;       ///< sent again and again after it; may be empty
  bool reads = true;      ///< false: never takes a byte, from a receive buffer of a few KiB
  /// Leaves by itself after this long: with a reset, and unread what came.
  std::chrono::milliseconds stays = std::chrono::hours(1);
};

/// Hostile clients of 127.0.0.1:port, from 64 addresses of 127.0.1.0/26, on one thread of low
/// priority: what was cut comes again, at no more than `connects_per_second`, so that the attack
/// lasts and its own CPU time stays small. Ended by the destructor or stop().
class Crowd {
 public:
  struct Seen {
    std::uint64_t opened = 0;             ///< connections that were accepted by the system
    std::uint64_t cut = 0;                ///< ended by the server
    std::uint64_t refused = 0;            ///< cut with an answer other than 408
    std::uint64_t failed = 0;             ///< connects that failed
    std::chrono::milliseconds longest{};  ///< from connect to the server's end, where it ended it
  };
  Crowd(std::uint16_t port, std::vector<Bad> kinds, std::size_t connects_per_second);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  [[nodiscard]] std::size_t open() const { return open_; }
  /// Every connection is dropped with a reset; by kind what was seen.
  std::map<std::string, Seen> stop();
  [[nodiscard]] double cpu_seconds() const { return cpu_seconds_; }  ///< after stop()

 private:
  struct Member;
  void run();
  void connect_some();
  bool connect_one(Member& member);
  void on_event(Member& member, std::uint32_t events);
  void drip();
  void drop(Member& member, bool by_server);
  void watch(Member& member, std::uint32_t events, int operation) const;

  const std::uint16_t port_;
  const std::vector<Bad> kinds_;
  const std::size_t connects_per_second_;
  std::vector<Seen> seen_;
  std::vector<std::unique_ptr<Member>> members_;
  std::size_t next_ = 0;       ///< whose turn it is to connect
  std::size_t next_drip_ = 0;  ///< and to drip
  int epoll_ = -1;
  std::chrono::steady_clock::time_point started_;
  std::uint64_t connects_ = 0;
  std::uint64_t drips_ = 0;
  std::atomic<std::size_t> open_{0};
  std::atomic<bool> stopping_{false};
  double cpu_seconds_ = 0;
  std::thread thread_;
};

/// Lets this process, and those it starts, open as many files as it may.
std::size_t raise_open_files();

}  // namespace podkeeper::proofs
