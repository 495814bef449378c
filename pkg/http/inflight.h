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

}  // namespace podkeeper::http
