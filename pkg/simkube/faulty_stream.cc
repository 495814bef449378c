#include "pkg/simkube/faulty_stream.h"

#include "pkg/http/message.h"

#include <boost/asio/buffer.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <string_view>
#include <utility>

namespace podkeeper::simkube {
namespace {

/// The value of a header, whose name is given in lower case; empty where there is none.
std::string header_of(std::string_view head, std::string_view name) {
  std::string lower(head);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto at = lower.find("\r\n" + std::string(name) + ":");
  if (at == std::string::npos) return "";
  const auto begin = lower.find_first_not_of(' ', at + name.size() + 3);
  return lower.substr(begin, lower.find("\r\n", begin) - begin);
}

std::uint64_t body_length(std::string_view head) {
  const auto text = header_of(head, "content-length");
  std::uint64_t length = 0;
  std::from_chars(text.data(), text.data() + text.size(), length);
  return length;
}

std::string text_of(std::span<const boost::asio::const_buffer> pieces) {
  std::string text;
  for (const auto& piece : pieces) {
    text.append(static_cast<const char*>(piece.data()), piece.size());
  }
  return text;
}

base::Task<base::Result<void>> swallow() { co_return base::Result<void>{}; }

}  // namespace

bool FaultyLines::loses(std::span<const boost::asio::const_buffer> pieces) {
  if (!lose_next.load(std::memory_order_relaxed)) return false;
  const auto text = text_of(pieces);
  for (const char* type : {"ADDED", "MODIFIED", "DELETED"}) {
    if (text.contains(std::string(R"({"type":")") + type)) return lose_next.exchange(false);
  }
  return false;
}

FaultyStream::FaultyStream(std::unique_ptr<base::Stream> inner, base::Executor executor,
                           std::shared_ptr<FaultyLines> lines)
    : inner_(std::move(inner)),
      lines_(std::move(lines)),
      line_(std::make_shared<FaultyLine>(std::move(executor), inner_.get())) {
  base::Lock lock(lines_->mutex);
  number_ = lines_->next++;
  lines_->open.emplace(number_, line_);
}

FaultyStream::~FaultyStream() {
  line_->stream = nullptr;
  base::Lock lock(lines_->mutex);
  lines_->open.erase(number_);
}

base::Task<base::Result<std::size_t>> FaultyStream::read_some(boost::asio::mutable_buffer into) {
  if (lines_->plan.empty()) return inner_->read_some(into);
  return read_requests(into);
}

base::Task<base::Result<std::size_t>> FaultyStream::read_requests(
    boost::asio::mutable_buffer into) {
  while (ready_.empty()) {
    std::array<char, 4096> buffer{};
    auto reading = inner_->read_some(boost::asio::buffer(buffer));
    const auto read = co_await std::move(reading);
    if (!read || *read == 0) co_return read;
    taken_.append(buffer.data(), *read);
    auto taking = take_requests();
    const auto took = co_await std::move(taking);
    if (!took) co_return took.error();
  }
  const auto size = std::min(ready_.size(), into.size());
  ready_.copy(static_cast<char*>(into.data()), size);
  ready_.erase(0, size);
  co_return size;
}

base::Task<base::Result<void>> FaultyStream::take_requests() {
  while (true) {
    const auto body =
        left_alone_ ? taken_.size() : std::min<std::uint64_t>(body_left_, taken_.size());
    if (!answers_) ready_.append(taken_, 0, body);
    taken_.erase(0, body);
    body_left_ -= std::min<std::uint64_t>(body_left_, body);
    if (body_left_ > 0) co_return base::Result<void>{};
    if (answers_) {
      auto answering = answer(*std::exchange(answers_, std::nullopt));
      const auto answered = co_await std::move(answering);
      if (!answered) co_return answered;
    }
    const auto end = taken_.find("\r\n\r\n");
    if (end == std::string::npos) {
      if (taken_.size() <= kHeadBytesMax) co_return base::Result<void>{};
      left_alone_ = true;
      continue;
    }
    auto taking = take_head(taken_.substr(0, end + 4));
    taken_.erase(0, end + 4);
    const auto took = co_await std::move(taking);
    if (!took) co_return took;
  }
}

base::Task<base::Result<void>> FaultyStream::take_head(std::string head) {
  left_alone_ = !header_of(head, "transfer-encoding").empty();
  body_left_ = body_length(head);
  const auto asked = asked_by(std::string_view(head).substr(0, head.find("\r\n")));
  const auto faults = lines_->plan.befalls(asked);
  answer_.reset();
  if (FaultyAnswer changed(faults); changed.does_anything()) answer_ = std::move(changed);
  for (const auto& fault : faults) {
    if (const auto* delay = std::get_if<FaultDelay>(&fault)) {
      auto sleeping = lines_->clock.sleep_for(delay->by);
      co_await std::move(sleeping);
    } else if (std::holds_alternative<FaultRestore>(fault)) {
      lines_->restore();
    } else if (const auto* said = std::get_if<FaultAnswer>(&fault)) {
      answers_ = *said;
    }
  }
  if (!answers_) ready_ += head;
  co_return base::Result<void>{};
}

base::Task<base::Result<void>> FaultyStream::answer(FaultAnswer what) {
  std::string bytes = "HTTP/1.1 " + std::to_string(what.status) + " Fault\r\n";
  bool typed = false;
  for (const auto& [name, value] : what.headers) {
    typed = typed || http::equal_ignoring_case(name, "content-type");
    bytes.append(name).append(": ").append(value).append("\r\n");
  }
  if (!typed) bytes += "Content-Type: application/json\r\n";
  bytes += "Content-Length: " + std::to_string(what.body.size()) + "\r\n\r\n" + what.body;
  auto sending = send(std::move(bytes));
  co_return co_await std::move(sending);
}

base::Task<base::Result<void>> FaultyStream::write(
    std::span<const boost::asio::const_buffer> pieces) {
  if (line_->frozen.load(std::memory_order_relaxed) || lines_->loses(pieces)) return swallow();
  if (answer_) return send(text_of(pieces));
  return inner_->write(pieces);
}

base::Task<base::Result<void>> FaultyStream::send(std::string bytes) {
  FaultyAnswer::Passed passed{.bytes = {}};
  if (answer_) {
    passed = answer_->pass(std::move(bytes));
  } else {
    passed.bytes = std::move(bytes);
  }
  if (passed.half_open) line_->frozen.store(true);
  if (!passed.bytes.empty()) {
    const std::array piece{boost::asio::const_buffer(passed.bytes.data(), passed.bytes.size())};
    auto writing = inner_->write(piece);
    const auto written = co_await std::move(writing);
    if (!written) co_return written;
  }
  if (!passed.cut) co_return base::Result<void>{};
  inner_->close();
  co_return base::Error{base::ErrorCode::kUnavailable, "cut by the fault script"};
}

}  // namespace podkeeper::simkube
