#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>

namespace podkeeper::base {

/// Every piece of code that a request, event, timer or key is given to runs as one of these: the
/// label of tasks and panics in metrics and logs, and the name in `POST /debug/panic?handler=`.
enum class Handler { kHttp, kStream, kReconcile, kEvent, kTimer, kThread };
inline constexpr Handler kHandlers[] = {Handler::kHttp,  Handler::kStream, Handler::kReconcile,
                                        Handler::kEvent, Handler::kTimer,  Handler::kThread};
const char* to_string(Handler handler) noexcept;
std::optional<Handler> parse_handler(std::string_view text) noexcept;

/// W3C trace context (https://www.w3.org/TR/trace-context/): which trace this work belongs to.
struct TraceContext {
  std::array<std::uint8_t, 16> trace_id{};
  std::array<std::uint8_t, 8> span_id{};
  std::uint8_t flags = 0;
  /// False for all-zero ids, which the standard forbids: there is no trace.
  [[nodiscard]] bool valid() const noexcept;
  [[nodiscard]] std::string trace_id_hex() const;
  [[nodiscard]] std::string span_id_hex() const;
  /// "00-<trace>-<span>-<flags>".
  [[nodiscard]] std::string traceparent() const;
  friend bool operator==(const TraceContext&, const TraceContext&) = default;
};
/// Reads a traceparent header; empty for anything malformed, which the standard says to ignore.
std::optional<TraceContext> parse_traceparent(std::string_view header) noexcept;

/// What the forensic record of a panic says about the request that was being answered.
struct RequestFeatures {
  std::string method;
  std::string path;
  std::string user;
  std::string region;
};

/// One running task: Go's goroutine, told from outside. Made by TaskGroup; readable from any
/// thread.
class TaskContext : public RefCounted {
 public:
  enum class State { kReady, kRunning, kWaiting };

  TaskContext(std::uint64_t id, std::uint64_t parent_id, std::string name, Handler kind,
              MonotonicTime created, std::source_location created_by)
      : id(id),
        parent_id(parent_id),
        name(std::move(name)),
        kind(kind),
        created(created),
        created_by(created_by) {}

  const std::uint64_t id;         ///< unique in the process, never reused
  const std::uint64_t parent_id;  ///< 0: started by main
  const std::string name;
  const Handler kind;
  const MonotonicTime created;
  const std::source_location created_by;
  std::atomic<State> state{State::kReady};

  [[nodiscard]] TraceContext trace() const;
  void set_trace(const TraceContext& trace);
  [[nodiscard]] RequestFeatures request() const;
  void set_request(RequestFeatures request);

 private:
  mutable Mutex mutex_;
  TraceContext trace_ PK_GUARDED_BY(mutex_);
  RequestFeatures request_ PK_GUARDED_BY(mutex_);
};
const char* to_string(TaskContext::State state) noexcept;

/// The task this thread is running now, or null outside any task.
TaskContext* current_task() noexcept;

/// Makes `task` the current one for a scope and marks it running.
class TaskScope {
 public:
  explicit TaskScope(TaskContext* task) noexcept;
  ~TaskScope();
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;

 private:
  TaskContext* task_;
  TaskContext* outer_;
};

}  // namespace podkeeper::base
