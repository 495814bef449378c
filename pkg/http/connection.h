#pragma once

#include "pkg/base/net.h"
#include "pkg/base/task.h"
#include "pkg/base/task_context.h"
#include "pkg/http/render.h"
#include "pkg/http/request_reader.h"
#include "pkg/http/server_core.h"
#include "pkg/http/stream_session.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace podkeeper::http {

/// One accepted connection: requests are read, routed and answered one after the other, in order.
/// Everything runs on the connection's own serial executor; only end_soon(), evict(), id, source(),
/// idle_since() and writing_since() may be used from any thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ServerCore> core, base::Executor executor,
             std::unique_ptr<base::Stream> stream);

  /// Until the peer leaves, breaks the protocol or a limit, or the server drains.
  base::Task<void> run();
  /// Tells a newcomer why there is no place, and ends.
  base::Task<void> refuse(Rejection rejection);
  /// Ends an idle connection, tells a stream to end, and lets a request under way be the last.
  /// Takes the caller's share, so that the last one is dropped on the connection's executor, where
  /// its timer runs.
  static void end_soon(std::shared_ptr<Connection> connection);

  /// Cuts it if its client is still taking the write that began at `since`.
  static void evict(std::shared_ptr<Connection> connection, std::int64_t since);

  std::uint64_t id = 0;  ///< given by the ConnectionTable
  [[nodiscard]] const std::string& source() const noexcept { return source_; }
  [[nodiscard]] const std::string& peer() const noexcept { return peer_; }
  [[nodiscard]] const base::Executor& executor() const noexcept { return executor_; }
  /// Since when it waits for a request, in ns of the monotonic clock; 0 while it does not.
  [[nodiscard]] std::int64_t idle_since() const noexcept {
    return idle_since_.load(std::memory_order_relaxed);
  }
  /// Since when its client is taking the part of an answer, or of a stream, that is being written,
  /// in ns of the monotonic clock; 0 while nothing is.
  [[nodiscard]] std::int64_t writing_since() const noexcept {
    return writing_since_.load(std::memory_order_relaxed);
  }

 private:
  /// What must be known of a request while its answer is written.
  struct Exchange {
    bool head_only = false;
    bool keep_alive = true;
    int version_minor = 1;
    base::MonotonicTime started{};
    base::TraceContext trace{};
    std::string path{};
  };

  base::Task<bool> serve(Incoming incoming);
  Exchange begin(const Incoming& incoming);
  /// The handler's answer, or the server's own; none when the task is asked to stop.
  base::Task<std::optional<Response>> respond(Incoming incoming, Exchange& exchange);
  Response render_error(const std::string& path, base::Error error, int status);
  Response render_rejection(const std::string& path, Rejection rejection);

  base::Task<bool> write_whole(Exchange& exchange, Response response);
  base::Task<base::Result<void>> write_text(std::string_view text, base::MonotonicTime by);
  base::Task<base::Result<void>> write_gathered(GatheredBody& body, base::MonotonicTime by);
  /// The next block must be taken within the write timeout, and everything `by` then.
  void grant_write_time(base::MonotonicTime by);
  /// Counts and logs that the client took too long.
  void tell_cut(Phase phase, const std::string& path);
  void render_head(Response& response, Exchange& exchange, bool chunked,
                   std::optional<std::size_t> length);
  base::Task<base::Result<void>> write_head_and(std::string_view body);
  base::Task<void> linger();

  base::Task<bool> write_stream(Exchange& exchange, Response response);
  void watch_peer();
  base::Task<void> read_until_peer_ends();
  base::Task<void> stop_watching_peer();

  const std::shared_ptr<ServerCore> core_;
  const base::Executor executor_;
  const std::shared_ptr<base::Stream> stream_;
  const std::string peer_;
  const std::string source_;
  RequestReader reader_;
  DateCache date_;
  std::string out_;  ///< the head being written, reused from answer to answer
  bool waiting_ = false;
  bool ending_ = false;
  StreamSession* session_ = nullptr;  ///< the stream being written, if one is
  bool watching_peer_ = false;
  bool stop_watching_ = false;
  std::optional<runtime::Wakeup> watch_ended_;
  std::atomic<std::int64_t> idle_since_{0};
  std::atomic<std::int64_t> writing_since_{0};
};

}  // namespace podkeeper::http
