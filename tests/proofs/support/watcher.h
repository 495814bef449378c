#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "tests/proofs/support/json_digest.h"

namespace podkeeper::proofs {

/// A client that lists and watches pods as an informer does, and judges what it is sent: revisions
/// that only go up, no event for what it cannot be about, every gap closed by a new LIST. Runs on a
/// thread of its own from construction to stop(). Counters may be read at any time, the objects
/// after stop().
class Watcher {
 public:
  /// `selector` is a query string part such as "labelSelector=app%3Dweb", or empty for everything.
  /// The connection is dropped by the client itself every `drop_every` events (0: never).
  Watcher(std::uint16_t port, std::string selector, std::uint64_t drop_every);
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  void request_stop() { stopping_ = true; }  ///< ends at the next line, or at the stream's end
  void stop();                               ///< the same, and waits for it

  [[nodiscard]] std::uint64_t events() const { return events_; }
  [[nodiscard]] std::uint64_t deletions() const { return deletions_; }
  [[nodiscard]] std::uint64_t relists() const { return relists_; }
  [[nodiscard]] std::uint64_t reconnects() const { return reconnects_; }
  [[nodiscard]] std::uint64_t revision() const { return revision_; }
  [[nodiscard]] std::string violation() const;  ///< the first one; empty when there is none
  [[nodiscard]] DigestMap objects() const;

 private:
  void run();
  void list();
  bool on_line(std::string_view line);
  void apply(const std::string& type, const nlohmann::json& object);
  void violate(const std::string& what);

  const std::uint16_t port_;
  const std::string selector_;
  const std::uint64_t drop_every_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> events_{0}, deletions_{0}, relists_{0}, reconnects_{0}, revision_{0};
  bool must_list_ = true;
  mutable std::mutex mutex_;
  std::string violation_;
  DigestMap objects_;
  std::thread thread_;
};

}  // namespace podkeeper::proofs
