#pragma once

#include "pkg/base/net.h"
#include "pkg/runtime/wakeup.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/world/support/process.h"

namespace podkeeper::world {

/// One connection of a process, which outlives it. The nemesis may clog and cut it.
class Wire final : public base::Stream {
 public:
  enum class Side : std::uint8_t { kUpstream, kServing };
  Wire(ProcessWorld& process, std::unique_ptr<base::Stream> inner, Side side);
  ~Wire() override;

  base::Task<base::Result<std::size_t>> read_some(boost::asio::mutable_buffer into) override;
  base::Task<base::Result<void>> write(std::span<const boost::asio::const_buffer> pieces) override;
  void set_deadline(base::MonotonicTime when) override;
  void shutdown_write() noexcept override { inner_->shutdown_write(); }
  void close() noexcept override;
  [[nodiscard]] std::string peer() const override { return inner_->peer(); }

  void cut();
  void set_clogged(bool clogged);
  [[nodiscard]] bool clogged() const noexcept { return clogged_; }

 private:
  /// Returns once bytes may pass and the process runs: an Error where they no longer can.
  base::Task<base::Result<void>> pass(runtime::Wakeup& changed);
  base::Task<base::Result<void>> send(std::span<const boost::asio::const_buffer> pieces);

  ProcessWorld& process_;
  const std::shared_ptr<Wires> wires_;
  const bool leaks_;
  const std::unique_ptr<base::Stream> inner_;
  const Side side_;
  const std::uint64_t id_;
  runtime::Wakeup readable_, writable_;
  base::MonotonicTime deadline_ = base::MonotonicTime::max();  ///< of the world
  std::string held_;  ///< read, and not passed on: it came while nothing could pass
  std::size_t held_offset_ = 0;
  std::string kept_;  ///< with a bug: what a slow client did not take
  bool clogged_ = false;
  bool closed_ = false;
};

}  // namespace podkeeper::world
