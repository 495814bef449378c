#pragma once

#include "pkg/base/mutex.h"
#include "pkg/base/world.h"
#include "pkg/http/framing.h"
#include "pkg/http/overload.h"
#include "pkg/http/server.h"
#include "pkg/http/server_metrics.h"
#include "pkg/runtime/task_group.h"
#include "pkg/runtime/wakeup.h"
#include "pkg/telemetry/log.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace podkeeper::http {

class Connection;

/// Newcomers being told that there is no place; more are closed without a word.
inline constexpr std::size_t kRefusalsMax = 64;

/// Who is connected, within the caps. When all places are taken, the connections that idle longest
/// give way; only when none idles is a newcomer refused. Thread-safe; O(log connections), and one
/// pass over them at the cap.
class ConnectionTable {
 public:
  explicit ConnectionTable(const ServerLimits& limits) : limits_(limits) {}

  struct Admission {
    std::optional<Rejection> rejection;
    std::vector<std::shared_ptr<Connection>> giving_way;  ///< the caller tells them to end
  };
  Admission add(std::shared_ptr<Connection> connection);
  /// The connections that idle longest, to make room for what else wants their descriptors.
  std::vector<std::shared_ptr<Connection>> longest_idle();
  struct Behind {
    std::int64_t since = 0;  ///< Connection::writing_since()
    std::shared_ptr<Connection> connection;
  };
  /// Of those whose client has been taking the same write since before `slow_since`, the quarter
  /// that is longest at it, at least `count_min` (or all).
  [[nodiscard]] std::vector<Behind> most_behind(base::MonotonicTime slow_since,
                                                std::size_t count_min) const;
  /// How many are left.
  std::size_t remove(const Connection& connection);
  [[nodiscard]] std::vector<std::shared_ptr<Connection>> all() const;
  [[nodiscard]] std::size_t size() const;

 private:
  std::vector<std::shared_ptr<Connection>> choose_idle() PK_REQUIRES(mutex_);

  const ServerLimits& limits_;
  mutable base::Mutex mutex_;
  /// By the order of their coming: walks are the same in every replay.
  std::map<std::uint64_t, std::shared_ptr<Connection>> connections_ PK_GUARDED_BY(mutex_);
  std::unordered_map<std::string, std::size_t> per_source_ PK_GUARDED_BY(mutex_);
  std::uint64_t last_id_ PK_GUARDED_BY(mutex_) = 0;
};

/// Blocks through which large bodies are flattened, kept for the next LIST. Few are large: a crowd
/// of clients who do not take their answers holds small ones. Thread-safe.
class BlockPool {
 public:
  static constexpr std::size_t kBlockBytes = 256 * 1024;
  static constexpr std::size_t kLargeBlocksMax = 16;  ///< lent at one time; then small ones
  static constexpr std::size_t kSmallBlockBytes = 16 * 1024;
  static constexpr std::size_t kBlocksKeptMax = 8;
  struct Block {
    std::unique_ptr<char[]> bytes;
    std::size_t size = 0;
  };
  Block take();
  void give_back(Block block);

 private:
  base::Mutex mutex_;
  std::vector<std::unique_ptr<char[]>> kept_ PK_GUARDED_BY(mutex_);
  std::size_t large_lent_ PK_GUARDED_BY(mutex_) = 0;
};

/// What a Server and its connections share; lives until the last of them is gone.
struct ServerCore {
  ServerCore(base::World& world, runtime::TaskGroup& group, telemetry::Metrics& metrics,
             std::string name, Router router, ServerLimits limits,
             std::shared_ptr<Overload> overload);
  /// Whether memory is so scarce that nobody is served; counts that somebody is not.
  [[nodiscard]] bool refuses() const noexcept { return overload && overload->refuses(); }

  base::World& world;
  runtime::TaskGroup& group;
  const std::string name;
  const Router router;
  const ServerLimits limits;
  const std::shared_ptr<Overload> overload;  ///< null: memory is not minded here
  ServerMetrics metrics;
  ConnectionTable connections;
  BlockPool blocks;
  runtime::Wakeup last_gone;  ///< notified when the last connection ends while draining
  std::atomic<bool> draining{false};
  std::atomic<std::size_t> requests_inflight{0};
  std::atomic<std::size_t> refusals_underway{0};
  std::atomic<std::size_t> answer_pieces{0};  ///< of gathered answers under way
  telemetry::RateLimiter refused_lines;       ///< "connection refused" and "slow client cut"
  telemetry::RateLimiter cut_lines;
};

}  // namespace podkeeper::http
