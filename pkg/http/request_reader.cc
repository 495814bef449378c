#include "pkg/http/request_reader.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace podkeeper::http {
namespace {

// A body's room doubles with what came of it: a large Content-Length alone reserves nothing.
constexpr std::size_t kBodyStepBytesMin = 1024;
constexpr std::size_t kBodyStepBytesMax = 64 * 1024;
constexpr std::string_view kVersionAndSpaces = "  HTTP/1.1";
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

NoRequest rejected(Rejection rejection, std::string path = {}) {
  return NoRequest{rejection, std::move(path)};
}

/// What a failed read means: too slow is told, gone is gone.
NoRequest unread(const base::Error& error, Rejection timeout) {
  if (error.code == base::ErrorCode::kTimeout) return rejected(timeout);
  return NoRequest{};
}

Rejection rejection_of(HeadFault fault) noexcept {
  switch (fault) {
    case HeadFault::kVersion:
      return Rejection::kVersion;
    case HeadFault::kContentLength:
      return Rejection::kContentLength;
    case HeadFault::kTransferEncoding:
      return Rejection::kTransferEncoding;
    case HeadFault::kTooManyFields:
      return Rejection::kHeaderTooLarge;
    case HeadFault::kNone:
    case HeadFault::kMalformed:
      break;
  }
  return Rejection::kMalformed;
}

}  // namespace

RequestReader::RequestReader(std::shared_ptr<base::Stream> stream, base::Clock& clock,
                             const ServerLimits& limits)
    : stream_(std::move(stream)),
      clock_(clock),
      limits_(limits),
      buffer_(limits.header_bytes_max) {}

base::Task<base::Result<std::size_t>> RequestReader::fill() {
  auto got = co_await stream_->read_some(buffer_.space());
  if (got) buffer_.commit(*got);
  co_return got;
}

base::Task<base::Result<bool>> RequestReader::wait(base::Duration timeout) {
  if (!buffer_.empty()) co_return true;
  buffer_.shrink();
  stream_->set_deadline(clock_.now() + timeout);
  const auto got = co_await fill();
  if (!got) co_return got.error();
  co_return *got > 0;
}

std::optional<Rejection> RequestReader::over_limit(std::size_t first_line_size) const noexcept {
  if (first_line_size == 0 &&
      buffer_.size() > kMethodBytesMax + limits_.target_bytes_max + kVersionAndSpaces.size()) {
    return Rejection::kTargetTooLong;
  }
  if (buffer_.full()) return Rejection::kHeaderTooLarge;
  return std::nullopt;
}

base::Task<std::optional<NoRequest>> RequestReader::read_head(std::size_t& size,
                                                              base::MonotonicTime deadline) {
  // Told at once rather than at the time-out: TLS on a plain port, a body where a head should be.
  const char first = buffer_.view().front();
  if (first < 'A' || first > 'Z') co_return rejected(Rejection::kMalformed);
  HeadScanner scanner;
  bool armed = false;
  while (true) {
    switch (scanner.scan(buffer_.view())) {
      case HeadScanner::State::kComplete:
        size = scanner.size();
        co_return std::nullopt;
      case HeadScanner::State::kBadLine:
        co_return rejected(Rejection::kMalformed);
      case HeadScanner::State::kFolded:
        co_return rejected(Rejection::kObsoleteFold);
      case HeadScanner::State::kPartial:
        break;
    }
    if (const auto over = over_limit(scanner.first_line_size())) co_return rejected(*over);
    if (!std::exchange(armed, true)) stream_->set_deadline(deadline);
    const auto got = co_await fill();
    if (!got) co_return unread(got.error(), Rejection::kHeaderTimeout);
    if (*got == 0) co_return NoRequest{};
  }
}

base::Task<base::Result<void>> RequestReader::send_continue() {
  const std::array piece{boost::asio::const_buffer(kContinue.data(), kContinue.size())};
  co_return co_await stream_->write(piece);
}

base::Task<std::optional<NoRequest>> RequestReader::read_body(std::string& body,
                                                              const RequestFraming& framing) {
  const std::size_t wanted = framing.content_length;
  const std::size_t at_hand = std::min(wanted, buffer_.size());
  body.assign(buffer_.view().substr(0, at_hand));
  buffer_.consume(at_hand);
  if (at_hand == wanted) co_return std::nullopt;
  stream_->set_deadline(clock_.now() + limits_.header_timeout);
  if (framing.expects_continue && at_hand == 0) {
    const auto sent = co_await send_continue();
    if (!sent) co_return unread(sent.error(), Rejection::kBodyTimeout);
  }
  std::size_t held = at_hand;
  while (held < wanted) {
    body.resize(std::min(wanted, held + std::clamp(held, kBodyStepBytesMin, kBodyStepBytesMax)));
    const boost::asio::mutable_buffer into(body.data() + held, body.size() - held);
    const auto got = co_await stream_->read_some(into);
    if (!got) co_return unread(got.error(), Rejection::kBodyTimeout);
    if (*got == 0) co_return NoRequest{};
    held += *got;
  }
  co_return std::nullopt;
}

base::Task<std::expected<Incoming, NoRequest>> RequestReader::read() {
  const auto started = clock_.now();
  std::size_t head_size = 0;
  auto no_head = co_await read_head(head_size, started + limits_.header_timeout);
  if (no_head) co_return std::unexpected(*std::move(no_head));
  RequestHead head;
  const HeadFault fault = parse_request_head(buffer_.view().substr(0, head_size), head);
  buffer_.consume(head_size);
  if (fault != HeadFault::kNone) co_return std::unexpected(rejected(rejection_of(fault)));
  const auto framing = check_request(head);
  if (!framing) co_return std::unexpected(rejected(framing.error()));
  if (head.target.size() > limits_.target_bytes_max) {
    co_return std::unexpected(rejected(Rejection::kTargetTooLong));
  }
  Incoming incoming{.method = std::move(head.method),
                    .target = parse_target(head.target),
                    .headers = std::move(head.headers),
                    .body = {},
                    .version_minor = head.version_minor,
                    .keep_alive = framing->keep_alive,
                    .started = started};
  if (framing->content_length > limits_.body_bytes_max) {
    co_return std::unexpected(rejected(Rejection::kBodyTooLarge,
                                       incoming.target ? incoming.target->path : std::string()));
  }
  if (framing->content_length > 0) {
    auto no_body = co_await read_body(incoming.body, *framing);
    if (no_body) co_return std::unexpected(*std::move(no_body));
  }
  co_return incoming;
}

}  // namespace podkeeper::http
