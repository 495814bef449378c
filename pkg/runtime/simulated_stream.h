#pragma once

#include "pkg/base/net.h"
#include "pkg/runtime/simulated_network.h"
#include "pkg/runtime/wakeup.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

namespace podkeeper::runtime {

/// One direction of a connection: bytes on their way, each piece with its time of arrival, then
/// bytes that arrived. Order is kept, and so is the place of an end or a reset among the bytes.
class SimulatedPipe : public std::enable_shared_from_this<SimulatedPipe> {
 public:
  enum class End { kNone, kFinished, kReset };

  explicit SimulatedPipe(std::shared_ptr<SimulatedNetwork> network);

  /// Sends as much of `from` as fits, at once; 0 when the pipe is full.
  std::size_t send(boost::asio::const_buffer from);
  /// Sends the end, after what was sent before. The first end stays.
  void send_end(End end);
  /// Takes a random count of arrived bytes; 0 when none arrived yet.
  std::size_t take(boost::asio::mutable_buffer into);
  /// Breaks the pipe now: what was in it is lost.
  void reset();
  /// The reader is gone: what comes is dropped.
  void drop_reader();

  [[nodiscard]] bool has_bytes() const { return bytes_ != 0; }
  [[nodiscard]] End arrived_end() const { return arrived_ == 0 ? arrived_end_ : End::kNone; }
  [[nodiscard]] bool is_reset() const { return reset_; }
  [[nodiscard]] bool reader_gone() const { return reader_gone_; }
  [[nodiscard]] bool end_sent() const { return end_sent_; }

  Wakeup readable;
  Wakeup writable;

 private:
  struct Piece {
    std::string bytes;
    base::MonotonicTime arrival;
    End end = End::kNone;
  };
  void enqueue(Piece piece);
  void schedule_arrival();
  void arrive();

  std::shared_ptr<SimulatedNetwork> network_;
  std::deque<Piece> on_the_way_;
  std::deque<std::string> arrived_pieces_;
  std::size_t offset_ = 0;   ///< bytes already taken of the first arrived piece
  std::size_t arrived_ = 0;  ///< bytes that can be taken
  std::size_t bytes_ = 0;    ///< on the way and arrived
  base::MonotonicTime last_arrival_{};
  End arrived_end_ = End::kNone;
  bool end_sent_ = false;
  bool reset_ = false;
  bool reader_gone_ = false;
};

/// Two pipes, shared by the two streams of a connection; known to the network, which can cut it.
class SimulatedConnection {
 public:
  SimulatedConnection(std::shared_ptr<SimulatedNetwork> network, std::uint64_t id);
  ~SimulatedConnection();

  SimulatedPipe& pipe(std::size_t side) { return *pipes_[side]; }
  void cut();
  /// Cuts after `bytes` more, of both directions together.
  void cut_after(std::size_t bytes);
  /// How many of `bytes` may still pass.
  [[nodiscard]] std::size_t allowed(std::size_t bytes) const;
  /// Counts them, and cuts when they were the last.
  void passed(std::size_t bytes);

  const std::uint64_t id;

 private:
  std::shared_ptr<SimulatedNetwork> network_;
  std::array<std::shared_ptr<SimulatedPipe>, 2> pipes_;
  std::optional<std::size_t> remaining_;
};

/// One end of a connection.
class SimulatedStream final : public base::Stream {
 public:
  SimulatedStream(std::shared_ptr<SimulatedNetwork> network,
                  std::shared_ptr<SimulatedConnection> connection, std::size_t side,
                  base::Endpoint peer);
  ~SimulatedStream() override;

  base::Task<base::Result<std::size_t>> read_some(boost::asio::mutable_buffer into) override;
  base::Task<base::Result<void>> write(std::span<const boost::asio::const_buffer> pieces) override;
  void set_deadline(base::MonotonicTime when) override;
  void shutdown_write() noexcept override;
  void close() noexcept override;
  [[nodiscard]] std::string peer() const override;

 private:
  SimulatedPipe& incoming() const { return connection_->pipe(side_); }
  SimulatedPipe& outgoing() const { return connection_->pipe(1 - side_); }
  [[nodiscard]] std::optional<base::Error> cannot_go_on(const char* verb) const;
  base::Task<base::Result<void>> write_one(boost::asio::const_buffer piece);

  std::shared_ptr<SimulatedNetwork> network_;
  std::shared_ptr<SimulatedConnection> connection_;
  std::size_t side_;
  base::Endpoint peer_;
  base::MonotonicTime deadline_ = base::MonotonicTime::max();
  bool closed_ = false;
};

/// A port, and the connections that were made to it and not yet accepted.
class SimulatedListener final : public base::Listener {
 public:
  SimulatedListener(std::shared_ptr<SimulatedNetwork> network, base::Endpoint endpoint);
  ~SimulatedListener() override;

  base::Task<base::Result<std::unique_ptr<base::Stream>>> accept(base::Executor executor) override;
  [[nodiscard]] base::Endpoint address() const override { return endpoint_; }
  void close() noexcept override;

  /// False when the backlog is full.
  bool offer(std::unique_ptr<base::Stream> stream);

 private:
  std::shared_ptr<SimulatedNetwork> network_;
  base::Endpoint endpoint_;
  std::deque<std::unique_ptr<base::Stream>> backlog_;
  Wakeup arrived_;
  bool closed_ = false;
};

}  // namespace podkeeper::runtime
