#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/result.h"
#include "pkg/base/task.h"

#include <boost/asio/buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace podkeeper::base {

/// Where to listen or to connect: an IP address or host name, and a port.
struct Endpoint {
  std::string host;
  std::uint16_t port = 0;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};
/// "host:port", IPv6 in brackets.
std::string to_string(const Endpoint& endpoint);
/// Reads "host:port", ":port" (all addresses), "[v6]:port". kInvalidArgument names what is wrong.
Result<Endpoint> parse_endpoint(std::string_view text);

/// One connection, as bytes. One task at a time reads and one at a time writes; close() and
/// set_deadline() belong to those tasks' executor. A stop of the awaiting task throws
/// operation_aborted; every other failure is a value: kTimeout (deadline), kUnavailable (reset,
/// closed), kIo.
class Stream {
 public:
  virtual ~Stream() = default;  ///< closes at once
  /// At least one byte, or 0 at the end of the stream.
  virtual Task<Result<std::size_t>> read_some(boost::asio::mutable_buffer into) = 0;
  /// All of `pieces`, in order, in as few system calls as the system allows.
  virtual Task<Result<void>> write(std::span<const boost::asio::const_buffer> pieces) = 0;
  /// From then on every operation under way or begun later ends with kTimeout, until a later
  /// deadline is set. Absolute: a peer that sends a byte a second does not move it.
  /// MonotonicTime::max() is none.
  virtual void set_deadline(MonotonicTime when) = 0;
  /// No more bytes will be written; the peer reads an end.
  virtual void shutdown_write() noexcept = 0;
  virtual void close() noexcept = 0;
  [[nodiscard]] virtual std::string peer() const = 0;  ///< for logs: "127.0.0.1:41000"
};

/// A bound address that accepts connections. Closing it ends a waiting accept() with kUnavailable.
class Listener {
 public:
  virtual ~Listener() = default;
  /// The next connection. Its operations run on `executor`. kIo where the system refuses, for want
  /// of descriptors for example: to try again at once would spin, so wait first.
  virtual Task<Result<std::unique_ptr<Stream>>> accept(Executor executor) = 0;
  [[nodiscard]] virtual Endpoint address() const = 0;  ///< with the real port where 0 was asked
  virtual void close() noexcept = 0;
};

/// The network as a seam: TCP in the real world, seeded memory streams in the simulated one.
/// Thread-safe.
class Network {
 public:
  virtual ~Network() = default;
  /// Binds now. kIo names the address and the reason ("address already in use").
  virtual Result<std::unique_ptr<Listener>> listen(const Endpoint& endpoint) = 0;
  /// Connects from the awaiting task's executor before `deadline`.
  virtual Task<Result<std::unique_ptr<Stream>>> connect(Endpoint endpoint,
                                                        MonotonicTime deadline) = 0;
};

}  // namespace podkeeper::base
