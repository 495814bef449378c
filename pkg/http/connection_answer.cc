#include "pkg/http/connection.h"
#include "pkg/recovery/guard.h"
#include "pkg/telemetry/log.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace podkeeper::http {
namespace {

/// Below this, joining pieces behind the head costs less than naming them to the system.
constexpr std::size_t kJoinBytesMax = 16 * 1024;
constexpr std::string_view kNoBody;

boost::asio::const_buffer buffer_of(std::string_view text) noexcept {
  return {text.data(), text.size()};
}

std::size_t size_of(const Response& response) noexcept {
  if (const auto* text = std::get_if<std::string>(&response.body)) return text->size();
  if (const auto* gathered = std::get_if<GatheredBody>(&response.body)) return gathered->size;
  return 0;
}

/// What Content-Length says; none where the status forbids a body.
std::optional<std::size_t> length_of(const Response& response) noexcept {
  if (response.status == 204 || response.status == 304) return std::nullopt;
  return size_of(response);
}

/// A block of the pool for a scope.
class BorrowedBlock {
 public:
  explicit BorrowedBlock(BlockPool& pool) : pool_(pool), block_(pool.take()) {}
  ~BorrowedBlock() { pool_.give_back(std::move(block_)); }
  BorrowedBlock(const BorrowedBlock&) = delete;
  BorrowedBlock& operator=(const BorrowedBlock&) = delete;
  [[nodiscard]] char* data() const noexcept { return block_.bytes.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return block_.size; }

 private:
  BlockPool& pool_;
  BlockPool::Block block_;
};

}  // namespace

void Connection::render_head(Response& response, Exchange& exchange, bool chunked,
                             std::optional<std::size_t> length) {
  HeadContext context{.date = date_.at(core_->world.clock().wall_now()),
                      .trace = exchange.trace,
                      .keep_alive = exchange.keep_alive,
                      .chunked = chunked,
                      .content_length = length};
  const auto render = [&] {
    out_.clear();
    append_head(out_, response, context);
  };
  if (recovery::guard(base::Handler::kHttp, render)) return;
  // The handler's own fields cannot be sent: its answer becomes an error, which has none of them.
  const base::Error error{base::ErrorCode::kInternal, "internal error: the answer cannot be sent"};
  response = Response::text(500, error.message + "\n");
  context.content_length = size_of(response);
  context.chunked = false;
  out_.clear();
  append_head(out_, response, context);
}

base::Task<base::Result<void>> Connection::write_head_and(std::string_view body) {
  const std::array pieces{buffer_of(out_), buffer_of(body)};
  const std::span all(pieces);
  co_return co_await stream_->write(body.empty() ? all.first(1) : all);
}

base::Task<bool> Connection::write_whole(Exchange& exchange, Response response) {
  if (ending_ || core_->draining.load(std::memory_order_acquire)) exchange.keep_alive = false;
  render_head(response, exchange, false, length_of(response));
  const std::size_t size = length_of(response).value_or(0);  // render_head may have replaced it
  const bool send_body = !exchange.head_only && size > 0;
  base::Clock& clock = core_->world.clock();
  const auto by = exchange.started + core_->limits.request_timeout;
  grant_write_time(by);
  base::Result<void> written;
  if (!send_body) {
    written = co_await write_head_and(kNoBody);
  } else if (const auto* text = std::get_if<std::string>(&response.body)) {
    written = co_await write_text(*text, by);
  } else {
    written = co_await write_gathered(std::get<GatheredBody>(response.body), by);
  }
  writing_since_.store(0, std::memory_order_relaxed);
  core_->metrics.count(response);
  if (!written) {
    if (written.error().code == base::ErrorCode::kTimeout) tell_cut(Phase::kWrite, exchange.path);
    co_return false;
  }
  core_->metrics.observe(response, clock.now() - exchange.started, send_body ? size : 0);
  co_return exchange.keep_alive;
}

void Connection::tell_cut(Phase phase, const std::string& path) {
  core_->metrics.time_out(phase);
  const auto suppressed = core_->cut_lines.admit();
  if (!suppressed) return;
  telemetry::log_warn("slow client cut", {{"listener", core_->name},
                                          {"peer", peer_},
                                          {"path", path},
                                          {"phase", to_string(phase)},
                                          {"suppressed", *suppressed}});
}

void Connection::grant_write_time(base::MonotonicTime by) {
  const auto now = core_->world.clock().now();
  writing_since_.store(now.time_since_epoch().count() | 1, std::memory_order_relaxed);
  stream_->set_deadline(std::min(by, now + core_->limits.write_timeout));
}

base::Task<base::Result<void>> Connection::write_text(std::string_view text,
                                                      base::MonotonicTime by) {
  do {
    const auto next = text.substr(0, BlockPool::kBlockBytes);
    text.remove_prefix(next.size());
    grant_write_time(by);
    auto written = co_await write_head_and(next);
    if (!written) co_return written;
    out_.clear();
  } while (!text.empty());
  co_return base::Result<void>{};
}

base::Task<base::Result<void>> Connection::write_gathered(GatheredBody& body,
                                                          base::MonotonicTime by) {
  if (body.size <= kJoinBytesMax) {
    do {
      for (const std::string_view piece : body.pieces) out_.append(piece);
    } while (body.next());
    co_return co_await write_head_and(kNoBody);
  }
  // Through one reused block: as fast as naming every piece to the system, and much faster over
  // TLS.
  const BorrowedBlock block(core_->blocks);
  std::size_t filled = 0;
  const auto flush = [&] { return std::string_view(block.data(), std::exchange(filled, 0)); };
  do {
    for (std::string_view piece : body.pieces) {
      while (!piece.empty()) {
        const std::size_t count = std::min(piece.size(), block.size() - filled);
        std::memcpy(block.data() + filled, piece.data(), count);
        filled += count;
        piece.remove_prefix(count);
        if (filled < block.size()) continue;
        grant_write_time(by);
        auto written = co_await write_head_and(flush());
        if (!written) co_return written;
        out_.clear();
      }
    }
  } while (body.next());
  if (filled == 0) co_return base::Result<void>{};
  grant_write_time(by);
  co_return co_await write_head_and(flush());
}

}  // namespace podkeeper::http
