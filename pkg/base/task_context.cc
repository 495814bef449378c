#include "pkg/base/task_context.h"

#include "pkg/base/epoch.h"
#include "pkg/base/thread_activity.h"

#include <algorithm>

namespace podkeeper::base {
namespace {

constinit thread_local ThreadActivity t_activity;

void make_current(TaskContext* task) noexcept {
  t_activity.task.store(task, std::memory_order_relaxed);
  // No other thread writes it, so this needs no locked instruction.
  t_activity.turns.store(t_activity.turns.load(std::memory_order_relaxed) + 1,
                         std::memory_order_relaxed);
  Epoch::runs_task(task == nullptr ? 0 : task->id);
}

std::string hex(std::span<const std::uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t b : bytes) {
    text.push_back(kDigits[b >> 4]);
    text.push_back(kDigits[b & 15]);
  }
  return text;
}

/// Lower-case hexadecimal only, as the trace context standard asks.
bool parse_hex(std::string_view text, std::span<std::uint8_t> into) {
  if (text.size() != into.size() * 2) return false;
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  for (std::size_t i = 0; i < into.size(); ++i) {
    const int high = digit(text[2 * i]);
    const int low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    into[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return true;
}

bool any_set(std::span<const std::uint8_t> bytes) {
  return std::ranges::any_of(bytes, [](std::uint8_t b) { return b != 0; });
}

}  // namespace

const char* to_string(Handler handler) noexcept {
  switch (handler) {
    case Handler::kHttp:
      return "http";
    case Handler::kStream:
      return "stream";
    case Handler::kReconcile:
      return "reconcile";
    case Handler::kEvent:
      return "event";
    case Handler::kTimer:
      return "timer";
    case Handler::kThread:
      return "thread";
  }
  return "thread";
}

std::optional<Handler> parse_handler(std::string_view text) noexcept {
  for (const Handler handler : kHandlers) {
    if (text == to_string(handler)) return handler;
  }
  return std::nullopt;
}

bool TraceContext::valid() const noexcept { return any_set(trace_id) && any_set(span_id); }
std::string TraceContext::trace_id_hex() const { return hex(trace_id); }
std::string TraceContext::span_id_hex() const { return hex(span_id); }
std::string TraceContext::traceparent() const {
  return "00-" + trace_id_hex() + "-" + span_id_hex() + "-" + hex({&flags, 1});
}

std::optional<TraceContext> parse_traceparent(std::string_view header) noexcept {
  // version "-" trace-id "-" parent-id "-" flags; a later version may append fields, version ff is
  // forbidden.
  if (header.size() < 55 || header[2] != '-' || header[35] != '-' || header[52] != '-') {
    return std::nullopt;
  }
  std::uint8_t version = 0;
  TraceContext trace;
  if (!parse_hex(header.substr(0, 2), {&version, 1}) || version == 0xff) return std::nullopt;
  if (header.size() > 55 && (version == 0 || header[55] != '-')) return std::nullopt;
  if (!parse_hex(header.substr(3, 32), trace.trace_id)) return std::nullopt;
  if (!parse_hex(header.substr(36, 16), trace.span_id)) return std::nullopt;
  if (!parse_hex(header.substr(53, 2), {&trace.flags, 1})) return std::nullopt;
  if (!trace.valid()) return std::nullopt;
  return trace;
}

TraceContext TaskContext::trace() const {
  Lock lock(mutex_);
  return trace_;
}
void TaskContext::set_trace(const TraceContext& trace) {
  Lock lock(mutex_);
  trace_ = trace;
}
RequestFeatures TaskContext::request() const {
  Lock lock(mutex_);
  return request_;
}
void TaskContext::set_request(RequestFeatures request) {
  Lock lock(mutex_);
  std::swap(request_, request);
}

const char* to_string(TaskContext::State state) noexcept {
  switch (state) {
    case TaskContext::State::kReady:
      return "ready";
    case TaskContext::State::kRunning:
      return "running";
    case TaskContext::State::kWaiting:
      return "waiting";
  }
  return "waiting";
}

TaskContext* current_task() noexcept { return t_activity.task.load(std::memory_order_relaxed); }
ThreadActivity& thread_activity() noexcept { return t_activity; }

TaskScope::TaskScope(TaskContext* task) noexcept : task_(task), outer_(current_task()) {
  make_current(task);
  if (task_ != nullptr) task_->state.store(TaskContext::State::kRunning, std::memory_order_relaxed);
}

TaskScope::~TaskScope() {
  if (task_ != nullptr) task_->state.store(TaskContext::State::kWaiting, std::memory_order_relaxed);
  make_current(outer_);
}

}  // namespace podkeeper::base
