#pragma once

#include "pkg/base/mutex.h"
#include "pkg/base/net.h"
#include "pkg/runtime/real_supervisor.h"

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <memory>
#include <vector>

namespace podkeeper::runtime {

/// Memory through which many small pieces go to the system in one call; kept for the next writer.
/// Few chunks are large: a crowd of peers who read nothing holds small ones. Thread-safe.
class ChunkPool {
 public:
  static constexpr std::size_t kChunkBytes = 256 * 1024;
  static constexpr std::size_t kLargeChunksMax = 16;  ///< lent at one time; then small ones
  static constexpr std::size_t kSmallChunkBytes = 16 * 1024;
  static constexpr std::size_t kChunksMax = 16;  ///< kept

  struct Chunk {
    std::unique_ptr<char[]> bytes;
    std::size_t size = 0;
  };
  Chunk take();
  void give_back(Chunk chunk);

 private:
  base::Mutex mutex_;
  std::vector<std::unique_ptr<char[]>> kept_ PK_GUARDED_BY(mutex_);
  std::size_t large_lent_ PK_GUARDED_BY(mutex_) = 0;
};

/// TCP. Where there is a supervision (not null; it outlives this), listening sockets of the process
/// before are taken over, and new ones shared. Thread-safe.
class RealNetwork final : public base::Network {
 public:
  RealNetwork(boost::asio::io_context& io, base::Clock& clock, Supervision* supervision);

  base::Result<std::unique_ptr<base::Listener>> listen(const base::Endpoint& endpoint) override;
  base::Task<base::Result<std::unique_ptr<base::Stream>>> connect(
      base::Endpoint endpoint, base::MonotonicTime deadline) override;

 private:
  boost::asio::io_context& io_;
  base::Clock& clock_;
  Supervision* const supervision_;
  std::shared_ptr<ChunkPool> chunks_ = std::make_shared<ChunkPool>();
};

}  // namespace podkeeper::runtime
