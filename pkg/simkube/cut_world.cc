#include "pkg/simkube/cut_world.h"

#include "pkg/base/mutex.h"

#include <boost/asio/post.hpp>

#include <atomic>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::simkube {
namespace {

/// A connection as seen from the cutter. `stream` is touched on `executor` alone, where its owner
/// runs too.
struct Line {
  Line(base::Executor on, base::Stream* of) : executor(std::move(on)), stream(of) {}
  base::Executor executor;
  base::Stream* stream;
  std::atomic<bool> frozen{false};
};

/// True where a write of a stream has a watch's change in it, as upstream words it.
bool tells_change(std::span<const boost::asio::const_buffer> pieces) {
  std::string text;
  for (const auto& piece : pieces) {
    text.append(static_cast<const char*>(piece.data()), piece.size());
  }
  for (const char* type : {"ADDED", "MODIFIED", "DELETED"}) {
    if (text.contains(std::string(R"({"type":")") + type)) return true;
  }
  return false;
}

}  // namespace

/// Every open line, by number. Bounded by the server's own limit on connections.
struct CutWorld::Lines {
  base::Mutex mutex;
  std::uint64_t next PK_GUARDED_BY(mutex) = 0;
  std::map<std::uint64_t, std::shared_ptr<Line>> open PK_GUARDED_BY(mutex);
  std::atomic<bool> lose_next{false};

  /// Whether this write is the one to lose.
  bool loses(std::span<const boost::asio::const_buffer> pieces) {
    if (!lose_next.load(std::memory_order_relaxed) || !tells_change(pieces)) return false;
    return lose_next.exchange(false);
  }
};

class CutWorld::CutNetwork final : public base::Network {
 public:
  CutNetwork(base::Network& inner, std::shared_ptr<Lines> lines)
      : inner_(inner), lines_(std::move(lines)) {}

  base::Result<std::unique_ptr<base::Listener>> listen(const base::Endpoint& endpoint) override;
  base::Task<base::Result<std::unique_ptr<base::Stream>>> connect(
      base::Endpoint endpoint, base::MonotonicTime deadline) override {
    return inner_.connect(std::move(endpoint), deadline);
  }

 private:
  class CutStream;
  class CutListener;
  base::Network& inner_;
  std::shared_ptr<Lines> lines_;
};

class CutWorld::CutNetwork::CutStream final : public base::Stream {
 public:
  CutStream(std::unique_ptr<base::Stream> inner, base::Executor executor,
            std::shared_ptr<Lines> lines)
      : inner_(std::move(inner)),
        lines_(std::move(lines)),
        line_(std::make_shared<Line>(std::move(executor), inner_.get())) {
    base::Lock lock(lines_->mutex);
    number_ = lines_->next++;
    lines_->open.emplace(number_, line_);
  }
  ~CutStream() override {
    line_->stream = nullptr;
    base::Lock lock(lines_->mutex);
    lines_->open.erase(number_);
  }

  base::Task<base::Result<std::size_t>> read_some(boost::asio::mutable_buffer into) override {
    return inner_->read_some(into);
  }
  base::Task<base::Result<void>> write(std::span<const boost::asio::const_buffer> pieces) override {
    if (line_->frozen.load(std::memory_order_relaxed) || lines_->loses(pieces)) return swallow();
    return inner_->write(pieces);
  }
  void set_deadline(base::MonotonicTime when) override { inner_->set_deadline(when); }
  void shutdown_write() noexcept override { inner_->shutdown_write(); }
  void close() noexcept override { inner_->close(); }
  [[nodiscard]] std::string peer() const override { return inner_->peer(); }

 private:
  static base::Task<base::Result<void>> swallow() { co_return base::Result<void>{}; }

  std::unique_ptr<base::Stream> inner_;
  std::shared_ptr<Lines> lines_;
  std::shared_ptr<Line> line_;
  std::uint64_t number_ = 0;
};

class CutWorld::CutNetwork::CutListener final : public base::Listener {
 public:
  CutListener(std::unique_ptr<base::Listener> inner, std::shared_ptr<Lines> lines)
      : inner_(std::move(inner)), lines_(std::move(lines)) {}

  base::Task<base::Result<std::unique_ptr<base::Stream>>> accept(base::Executor executor) override {
    auto lines = lines_;
    auto accepted = co_await inner_->accept(executor);
    if (!accepted) co_return accepted.error();
    co_return std::make_unique<CutStream>(std::move(*accepted), std::move(executor),
                                          std::move(lines));
  }
  [[nodiscard]] base::Endpoint address() const override { return inner_->address(); }
  void close() noexcept override { inner_->close(); }

 private:
  std::unique_ptr<base::Listener> inner_;
  std::shared_ptr<Lines> lines_;
};

base::Result<std::unique_ptr<base::Listener>> CutWorld::CutNetwork::listen(
    const base::Endpoint& endpoint) {
  auto listener = inner_.listen(endpoint);
  if (!listener) return listener.error();
  return std::make_unique<CutListener>(std::move(*listener), lines_);
}

CutWorld::CutWorld(base::World& inner)
    : inner_(inner),
      lines_(std::make_shared<Lines>()),
      network_(std::make_unique<CutNetwork>(inner.network(), lines_)) {}

CutWorld::~CutWorld() = default;

base::Network& CutWorld::network() { return *network_; }

std::size_t CutWorld::freeze_connections() {
  base::Lock lock(lines_->mutex);
  for (const auto& [number, line] : lines_->open) line->frozen.store(true);
  return lines_->open.size();
}

void CutWorld::lose_next_event() { lines_->lose_next.store(true); }

bool CutWorld::lost_event() const { return !lines_->lose_next.load(); }

std::size_t CutWorld::cut_connections() {
  std::vector<std::shared_ptr<Line>> lines;
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
