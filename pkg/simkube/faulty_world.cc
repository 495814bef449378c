#include "pkg/simkube/faulty_world.h"

#include "pkg/simkube/faulty_stream.h"

#include <boost/asio/post.hpp>

#include <memory>
#include <utility>
#include <vector>

namespace podkeeper::simkube {

class FaultyWorld::FaultyListener final : public base::Listener {
 public:
  FaultyListener(std::unique_ptr<base::Listener> inner, std::shared_ptr<FaultyLines> lines)
      : inner_(std::move(inner)), lines_(std::move(lines)) {}

  base::Task<base::Result<std::unique_ptr<base::Stream>>> accept(base::Executor executor) override {
    auto lines = lines_;
    auto accepted = co_await inner_->accept(executor);
    if (!accepted) co_return accepted.error();
    co_return std::make_unique<FaultyStream>(std::move(*accepted), std::move(executor),
                                             std::move(lines));
  }
  [[nodiscard]] base::Endpoint address() const override { return inner_->address(); }
  void close() noexcept override { inner_->close(); }

 private:
  std::unique_ptr<base::Listener> inner_;
  std::shared_ptr<FaultyLines> lines_;
};

class FaultyWorld::FaultyNetwork final : public base::Network {
 public:
  FaultyNetwork(base::Network& inner, std::shared_ptr<FaultyLines> lines)
      : inner_(inner), lines_(std::move(lines)) {}

  base::Result<std::unique_ptr<base::Listener>> listen(const base::Endpoint& endpoint) override {
    auto listener = inner_.listen(endpoint);
    if (!listener) return listener.error();
    return std::make_unique<FaultyListener>(std::move(*listener), lines_);
  }
  base::Task<base::Result<std::unique_ptr<base::Stream>>> connect(
      base::Endpoint endpoint, base::MonotonicTime deadline) override {
    return inner_.connect(std::move(endpoint), deadline);
  }

 private:
  base::Network& inner_;
  std::shared_ptr<FaultyLines> lines_;
};

FaultyWorld::FaultyWorld(base::World& inner, telemetry::Metrics& metrics,
                         std::vector<FaultRule> script, std::function<void()> restore)
    : inner_(inner),
      lines_(std::make_shared<FaultyLines>(inner.clock(), metrics, std::move(script),
                                           std::move(restore))),
      network_(std::make_unique<FaultyNetwork>(inner.network(), lines_)) {}

FaultyWorld::~FaultyWorld() = default;

base::Network& FaultyWorld::network() { return *network_; }

std::size_t FaultyWorld::freeze_connections() {
  base::Lock lock(lines_->mutex);
  for (const auto& [number, line] : lines_->open) line->frozen.store(true);
  return lines_->open.size();
}

void FaultyWorld::lose_next_event() { lines_->lose_next.store(true); }

bool FaultyWorld::lost_event() const { return !lines_->lose_next.load(); }

std::size_t FaultyWorld::cut_connections() {
  std::vector<std::shared_ptr<FaultyLine>> lines;
  {
    base::Lock lock(lines_->mutex);
    for (const auto& [number, line] : lines_->open) lines.push_back(line);
  }
  for (const auto& line : lines) {
    boost::asio::post(line->executor, [line] {
      if (line->stream != nullptr) line->stream->close();
    });
  }
  return lines.size();
}

}  // namespace podkeeper::simkube
