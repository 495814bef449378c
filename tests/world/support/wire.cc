#include "tests/world/support/wire.h"

#include <boost/asio/buffer.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <string_view>
#include <utility>

namespace podkeeper::world {

namespace asio = boost::asio;
using base::Error;
using base::ErrorCode;
using base::Result;
using base::Task;

namespace {

/// In this time what was sent is with the server.
constexpr auto kArrived = std::chrono::milliseconds(20);

}  // namespace

Wire::Wire(ProcessWorld& process, std::unique_ptr<base::Stream> inner, Side side)
    : process_(process),
      wires_(process.wires_),
      leaks_(process.bugs_.has(Bug::kLeakedConnection)),
      inner_(std::move(inner)),
      side_(side),
      id_(wires_->next++),
      readable_(process.clock_.inner()),
      writable_(process.clock_.inner()) {
  wires_->open[id_] = this;
}

Wire::~Wire() {
  close();
  wires_->open.erase(id_);
  if (leaks_) ++wires_->leaked;
}

Task<Result<void>> Wire::pass(runtime::Wakeup& changed) {
  auto going_on = process_.clock_.running();
  co_await std::move(going_on);
  while (clogged_ && !closed_) {
    if (process_.clock_.inner().now() >= deadline_) {
      co_return Error{ErrorCode::kTimeout, "the deadline passed on the way to " + peer()};
    }
    auto waiting = changed.wait_until(deadline_);
    co_await std::move(waiting);
    auto again = process_.clock_.running();
    co_await std::move(again);
  }
  if (closed_) co_return Error{ErrorCode::kUnavailable, peer() + ": connection reset"};
  co_return Result<void>{};
}

Task<Result<std::size_t>> Wire::read_some(asio::mutable_buffer into) {
  if (held_.empty()) {
    auto reading = inner_->read_some(into);
    auto read = co_await std::move(reading);
    if (!read || *read == 0 || !clogged_) {
      auto going_on = process_.clock_.running();
      co_await std::move(going_on);
      co_return read;
    }
    held_.assign(static_cast<const char*>(into.data()), *read);
    held_offset_ = 0;
  }
  auto passing = pass(readable_);
  if (auto passed = co_await std::move(passing); !passed) co_return passed.error();
  const std::size_t size = std::min(into.size(), held_.size() - held_offset_);
  std::memcpy(into.data(), held_.data() + held_offset_, size);
  held_offset_ += size;
  if (held_offset_ == held_.size()) held_.clear();
  co_return size;
}

Task<Result<void>> Wire::write(std::span<const asio::const_buffer> pieces) {
  std::size_t bytes = kept_.size();
  for (const auto piece : pieces) bytes += piece.size();
  process_.unsent_max_ = std::max(process_.unsent_max_, bytes);
  const bool slow = side_ == Side::kServing && process_.bugs_.has(Bug::kUnboundedBuffer);
  if (slow && clogged_) {
    for (const auto piece : pieces) {
      kept_.append(static_cast<const char*>(piece.data()), piece.size());
    }
    co_return Result<void>{};
  }
  auto passing = pass(writable_);
  if (auto passed = co_await std::move(passing); !passed) co_return passed;
  if (!kept_.empty()) {
    const std::string kept = std::exchange(kept_, {});
    const std::array<asio::const_buffer, 1> first{asio::buffer(kept)};
    auto sending = inner_->write(first);
    if (auto sent = co_await std::move(sending); !sent) co_return sent;
  }
  auto sending = send(pieces);
  co_return co_await std::move(sending);
}

Task<Result<void>> Wire::send(std::span<const asio::const_buffer> pieces) {
  auto sending = inner_->write(pieces);
  auto sent = co_await std::move(sending);
  auto going_on = process_.clock_.running();
  co_await std::move(going_on);
  if (side_ == Side::kServing || process_.drop_replies_ == 0 || !sent || pieces.empty()) {
    co_return sent;
  }
  const std::string_view head(static_cast<const char*>(pieces.front().data()),
                              pieces.front().size());
  // POST, PUT and PATCH alone change anything.
  if (!head.starts_with('P')) co_return sent;
  --process_.drop_replies_;
  auto arriving = process_.clock_.inner().sleep_for(kArrived);
  co_await std::move(arriving);
  cut();
  co_return sent;
}

void Wire::set_deadline(base::MonotonicTime when) {
  const auto before = std::exchange(deadline_, process_.clock_.in_the_world(when));
  inner_->set_deadline(deadline_);
  if (deadline_ >= before) return;
  readable_.notify();
  writable_.notify();
}

void Wire::close() noexcept {
  if (std::exchange(closed_, true)) return;
  inner_->close();
  readable_.notify();
  writable_.notify();
}

void Wire::cut() { close(); }

void Wire::set_clogged(bool clogged) {
  clogged_ = clogged;
  readable_.notify();
  writable_.notify();
}

}  // namespace podkeeper::world
