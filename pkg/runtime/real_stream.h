#pragma once

#include "pkg/base/net.h"
#include "pkg/runtime/real_network.h"

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace podkeeper::runtime {

// The loop's own executor, not a type-erased one: Asio then dispatches a completion once, to the
// waiting task.
using RealSocket =
    boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

/// An absolute deadline over the operations of one socket. A timer is set for the first deadline;
/// when it comes and the deadline has moved on, it is set again, so that moving a deadline later
/// costs an assignment. Used on one executor.
class RealDeadline : public std::enable_shared_from_this<RealDeadline> {
 public:
  RealDeadline(base::Clock& clock, base::Executor executor, RealSocket& socket)
      : clock_(clock), executor_(std::move(executor)), socket_(&socket) {}

  void set(base::MonotonicTime when);
  /// The socket ends: the timer must not touch it any more.
  void detach();
  /// The deadline passed, and no later one was set.
  [[nodiscard]] bool passed() const { return passed_; }

 private:
  void arm();
  void check();

  base::Clock& clock_;
  base::Executor executor_;
  RealSocket* socket_;
  base::MonotonicTime deadline_ = base::MonotonicTime::max();
  base::MonotonicTime armed_ = base::MonotonicTime::max();
  base::Clock::TimerId timer_ = 0;
  bool passed_ = false;
};

/// One TCP connection.
class RealStream final : public base::Stream {
 public:
  RealStream(RealSocket socket, base::Clock& clock, base::Executor executor,
             std::shared_ptr<ChunkPool> chunks);
  ~RealStream() override;

  /// Connects to the first of `candidates` that answers; the deadline must be set before.
  base::Task<base::Result<void>> connect(std::vector<boost::asio::ip::tcp::endpoint> candidates,
                                         std::string name);

  base::Task<base::Result<std::size_t>> read_some(boost::asio::mutable_buffer into) override;
  base::Task<base::Result<void>> write(std::span<const boost::asio::const_buffer> pieces) override;
  void set_deadline(base::MonotonicTime when) override;
  void shutdown_write() noexcept override;
  void close() noexcept override;
  [[nodiscard]] std::string peer() const override;

  /// Small writes go out at once, and the peer's address is remembered for messages.
  void became_connected();

 private:
  /// A failed operation as a value; throws when it ended because the task was asked to stop.
  [[nodiscard]] base::Error failure(const char* verb, boost::system::error_code ec) const;
  [[nodiscard]] bool usable() const { return !closed_ && !deadline_->passed(); }
  base::Task<base::Result<void>> write_flattened(std::span<const boost::asio::const_buffer> pieces);
  base::Task<base::Result<void>> write_buffers(std::span<const boost::asio::const_buffer> pieces);

  RealSocket socket_;
  std::shared_ptr<RealDeadline> deadline_;
  std::shared_ptr<ChunkPool> chunks_;
  std::string peer_;
  bool closed_ = false;
};

}  // namespace podkeeper::runtime
