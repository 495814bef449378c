#pragma once

#include "pkg/http/server_core.h"

namespace podkeeper::http {

/// A place among the requests being answered, for a scope. A stream gives its place back and is
/// counted as a stream from then on: long watches must not starve short requests.
class Inflight {
 public:
  explicit Inflight(ServerCore& core) : core_(core) {
    const std::size_t before = core_.requests_inflight.fetch_add(1, std::memory_order_relaxed);
    admitted_ = before < core_.limits.requests_inflight_max;
    core_.metrics.requests_inflight.Increment();
  }
  ~Inflight() {
    if (stream_) {
      core_.metrics.streams_inflight.Decrement();
    } else {
      leave();
    }
  }
  Inflight(const Inflight&) = delete;
  Inflight& operator=(const Inflight&) = delete;

  [[nodiscard]] bool admitted() const noexcept { return admitted_; }
  void become_stream() {
    leave();
    stream_ = true;
    core_.metrics.streams_inflight.Increment();
  }

 private:
  void leave() {
    core_.requests_inflight.fetch_sub(1, std::memory_order_relaxed);
    core_.metrics.requests_inflight.Decrement();
  }

  ServerCore& core_;
  bool admitted_ = false;
  bool stream_ = false;
};

/// The pieces of a gathered answer while it is written, for a scope. Clients who take theirs slowly
/// hold them long; what they hold together is bounded.
class AnswerPieces {
 public:
  AnswerPieces(ServerCore& core, const Response& response) : core_(core) {
    if (const auto* body = std::get_if<GatheredBody>(&response.body)) {
      held_ = body->pieces.size() + body->pieces_to_come;
    }
    const std::size_t before = core_.answer_pieces.fetch_add(held_, std::memory_order_relaxed);
    admitted_ = before == 0 || before + held_ <= core_.limits.answer_pieces_max;
  }
  ~AnswerPieces() { core_.answer_pieces.fetch_sub(held_, std::memory_order_relaxed); }
  AnswerPieces(const AnswerPieces&) = delete;
  AnswerPieces& operator=(const AnswerPieces&) = delete;

  [[nodiscard]] bool admitted() const noexcept { return held_ == 0 || admitted_; }

 private:
  ServerCore& core_;
  std::size_t held_ = 0;
  bool admitted_ = false;
};

}  // namespace podkeeper::http
