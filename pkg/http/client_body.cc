#include "pkg/http/client_body.h"

#include <algorithm>
#include <utility>

namespace podkeeper::http {

ResponseBody::ResponseBody(std::shared_ptr<ClientPool> pool,
                           std::unique_ptr<ClientConnection> connection,
                           const ResponseFraming& framing)
    : pool_(std::move(pool)),
      connection_(std::move(connection)),
      framing_(framing),
      remaining_(framing.content_length) {
  if (complete()) release();
}

bool ResponseBody::complete() const noexcept {
  switch (framing_.body) {
    case ResponseFraming::Body::kNone:
      return true;
    case ResponseFraming::Body::kLength:
      return remaining_ == 0;
    case ResponseFraming::Body::kChunked:
      return chunks_.done();
    case ResponseFraming::Body::kUntilClose:
      return false;
  }
  return false;
}

void ResponseBody::release() {
  ended_ = true;
  auto connection = std::move(connection_);
  // Bytes after the end belong to no request of ours: such a connection is not used again.
  if (framing_.keep_alive && connection->buffer.empty()) pool_->keep(std::move(connection));
}

base::Error ResponseBody::cut(std::string_view why) const {
  return base::Error{base::ErrorCode::kProtocol,
                     "the answer of " + pool_->host + " is cut: " + std::string(why)};
}

base::Result<void> ResponseBody::take(std::string& into) {
  ReadBuffer& buffer = connection_->buffer;
  switch (framing_.body) {
    case ResponseFraming::Body::kNone:
      break;
    case ResponseFraming::Body::kLength: {
      const std::size_t count = std::min<std::uint64_t>(remaining_, buffer.size());
      into.append(buffer.view().substr(0, count));
      buffer.consume(count);
      remaining_ -= count;
      break;
    }
    case ResponseFraming::Body::kChunked: {
      const auto used = chunks_.feed(buffer.view(), into);
      if (!used) return cut(used.error().message);
      buffer.consume(*used);
      break;
    }
    case ResponseFraming::Body::kUntilClose:
      into.append(buffer.view());
      buffer.consume(buffer.size());
      break;
  }
  return {};
}

base::Task<base::Result<bool>> ResponseBody::read_some(std::string& into) {
  if (ended_) co_return false;
  if (broken_) co_return cut("an earlier read failed");
  const std::size_t before = into.size();
  while (true) {
    auto taken = take(into);
    if (!taken) {
      broken_ = true;
      connection_.reset();
      co_return std::move(taken).error();
    }
    if (complete()) {
      release();
      co_return into.size() > before;
    }
    if (into.size() > before) co_return true;
    auto got = co_await connection_->stream->read_some(connection_->buffer.space());
    if (got && *got > 0) {
      connection_->buffer.commit(*got);
      continue;
    }
    connection_.reset();
    if (got && framing_.body == ResponseFraming::Body::kUntilClose) {
      ended_ = true;
      co_return false;
    }
    broken_ = true;
    if (got) co_return cut("the connection ended before the body did");
    base::Error error = std::move(got).error();
    // A reset in the middle is the same cut, by other means.
    if (error.code != base::ErrorCode::kTimeout) error = cut(error.message);
    co_return error;
  }
}

void ResponseBody::set_deadline(base::MonotonicTime when) {
  if (connection_) connection_->stream->set_deadline(when);
}

}  // namespace podkeeper::http
