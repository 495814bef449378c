#pragma once

#include "pkg/base/mutex.h"
#include "pkg/base/world.h"
#include "pkg/simkube/fault_plan.h"
#include "pkg/simkube/faulty_answer.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace podkeeper::simkube {

/// A connection as seen from the outside. `stream` is touched on `executor` alone, where its owner
/// runs too.
struct FaultyLine {
  FaultyLine(base::Executor on, base::Stream* of) : executor(std::move(on)), stream(of) {}
  base::Executor executor;
  base::Stream* stream;
  std::atomic<bool> frozen{false};
};

/// What all connections of a FaultyWorld share: every open line, by number (bounded by the server's
/// own limit on connections), and what befalls their requests.
struct FaultyLines {
  FaultyLines(base::Clock& on, telemetry::Metrics& metrics, std::vector<FaultRule> script,
              std::function<void()> restoring)
      : clock(on), plan(on, metrics, std::move(script)), restore(std::move(restoring)) {}

  /// Whether a write of these bytes is the one to lose.
  bool loses(std::span<const boost::asio::const_buffer> pieces);

  base::Clock& clock;
  FaultPlan plan;
  const std::function<void()> restore;
  base::Mutex mutex;
  std::uint64_t next PK_GUARDED_BY(mutex) = 0;
  std::map<std::uint64_t, std::shared_ptr<FaultyLine>> open PK_GUARDED_BY(mutex);
  std::atomic<bool> lose_next{false};
};

/// The server's end of a connection, with what befalls its requests between.
class FaultyStream final : public base::Stream {
 public:
  FaultyStream(std::unique_ptr<base::Stream> inner, base::Executor executor,
               std::shared_ptr<FaultyLines> lines);
  ~FaultyStream() override;

  base::Task<base::Result<std::size_t>> read_some(boost::asio::mutable_buffer into) override;
  base::Task<base::Result<void>> write(std::span<const boost::asio::const_buffer> pieces) override;
  void set_deadline(base::MonotonicTime when) override { inner_->set_deadline(when); }
  void shutdown_write() noexcept override { inner_->shutdown_write(); }
  void close() noexcept override { inner_->close(); }
  [[nodiscard]] std::string peer() const override { return inner_->peer(); }

 private:
  /// A head beyond this is passed on unread, and its connection left alone from then on.
  static constexpr std::size_t kHeadBytesMax = 64 * 1024;

  base::Task<base::Result<std::size_t>> read_requests(boost::asio::mutable_buffer into);
  /// Passes on what of `taken_` the server is to see, and stops at what needs more bytes.
  base::Task<base::Result<void>> take_requests();
  base::Task<base::Result<void>> take_head(std::string head);
  /// Answers in the server's place.
  base::Task<base::Result<void>> answer(FaultAnswer what);
  base::Task<base::Result<void>> send(std::string bytes);

  std::unique_ptr<base::Stream> inner_;
  std::shared_ptr<FaultyLines> lines_;
  std::shared_ptr<FaultyLine> line_;
  std::uint64_t number_ = 0;
  std::string taken_;                   ///< read, and not looked at yet
  std::string ready_;                   ///< for the server
  std::uint64_t body_left_ = 0;         ///< of the request whose head was last
  std::optional<FaultAnswer> answers_;  ///< that request, which the server does not see
  bool left_alone_ = false;
  std::optional<FaultyAnswer> answer_;  ///< what befalls the answer under way
};

}  // namespace podkeeper::simkube
