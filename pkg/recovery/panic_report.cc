#include "pkg/recovery/panic_report.h"

#include "pkg/base/mutex.h"
#include "pkg/base/panic.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::recovery {
namespace {

/// Somebody else's function. Calls are counted, so that who takes it away can wait for the one that
/// is under way.
template <class Function>
struct Callback {
  Callback(std::uint64_t number, Function function) : id(number), call(std::move(function)) {}
  const std::uint64_t id;
  const Function call;
  std::atomic<std::uint32_t> running{0};

  /// After running was raised by one.
  template <class... Args>
  auto run(const Args&... args) noexcept -> decltype(call(args...)) {
    struct Leave {
      Callback& callback;
      ~Leave() {
        if (callback.running.fetch_sub(1, std::memory_order_acq_rel) == 1) {
          callback.running.notify_all();
        }
      }
    } const leave{*this};
    try {
      return call(args...);
    } catch (...) {  // its own fault must not become a second panic
      return decltype(call(args...))();
    }
  }
  void wait_until_left() const noexcept {
    for (auto now = running.load(std::memory_order_acquire); now != 0;
         now = running.load(std::memory_order_acquire)) {
      running.wait(now, std::memory_order_acquire);
    }
  }
};
using Sink = Callback<PanicSink>;
using Audit = Callback<MapAudit>;

struct NotedTrace {
  std::array<std::uint8_t, 16> trace_id{};
  base::MonotonicTime when{};
};

}  // namespace

struct PanicRecorder::State {
  std::atomic<base::Clock*> clock{nullptr};
  std::atomic<std::uint64_t> total{0};
  mutable base::Mutex mutex;
  std::deque<std::shared_ptr<const PanicReport>> reports PK_GUARDED_BY(mutex);  ///< newest first
  std::vector<std::shared_ptr<Sink>> sinks PK_GUARDED_BY(mutex);
  std::uint64_t sinks_made PK_GUARDED_BY(mutex) = 0;
  std::shared_ptr<Audit> audit PK_GUARDED_BY(mutex);
  base::Mutex traces_mutex;  ///< apart: every request takes it
  std::array<NotedTrace, kTracesMax> traces PK_GUARDED_BY(traces_mutex);
  std::size_t traces_noted PK_GUARDED_BY(traces_mutex) = 0;

  std::vector<std::string> active_traces(base::MonotonicTime now);
  std::vector<std::string> map_audit(const PanicReport& report);
  std::vector<std::shared_ptr<Sink>> keep(const std::shared_ptr<const PanicReport>& report);
};

/// Distinct trace ids noted since `now` - kTraceActive, newest first.
std::vector<std::string> PanicRecorder::State::active_traces(base::MonotonicTime now) {
  std::vector<NotedTrace> recent;
  recent.reserve(kActiveTracesMax);
  {
    base::Lock lock(traces_mutex);
    const std::size_t count = std::min(traces_noted, kTracesMax);
    for (std::size_t i = 1; i <= count && recent.size() < kActiveTracesMax; ++i) {
      const NotedTrace& note = traces[(traces_noted - i) % kTracesMax];
      if (note.when + kTraceActive < now) break;
      if (std::ranges::find(recent, note.trace_id, &NotedTrace::trace_id) == recent.end()) {
        recent.push_back(note);
      }
    }
  }
  std::vector<std::string> ids;
  ids.reserve(recent.size());
  for (const NotedTrace& note : recent) {
    ids.push_back(base::TraceContext{.trace_id = note.trace_id}.trace_id_hex());
  }
  return ids;
}

/// What the maps' audit tells, within the report's bounds.
std::vector<std::string> PanicRecorder::State::map_audit(const PanicReport& report) {
  std::shared_ptr<Audit> asked;
  {
    base::Lock lock(mutex);
    asked = audit;
    if (asked == nullptr) return {};
    asked->running.fetch_add(1, std::memory_order_relaxed);
  }
  auto lines = asked->run(report);
  if (lines.size() > PanicReport::kMapAuditLinesMax) lines.resize(PanicReport::kMapAuditLinesMax);
  for (std::string& line : lines) {
    if (line.size() <= PanicReport::kMapAuditLineBytesMax) continue;
    line.resize(PanicReport::kMapAuditLineBytesMax);
    line += "...";
  }
  return lines;
}

/// Puts the report into the ring and gives the sinks to call, each marked as running.
std::vector<std::shared_ptr<Sink>> PanicRecorder::State::keep(
    const std::shared_ptr<const PanicReport>& report) {
  std::shared_ptr<const PanicReport> dropped;  // destroyed after the lock
  base::Lock lock(mutex);
  auto to_call = sinks;
  reports.push_front(report);
  if (reports.size() > kReportsMax) {
    dropped = std::move(reports.back());
    reports.pop_back();
  }
  for (const auto& sink : to_call) sink->running.fetch_add(1, std::memory_order_relaxed);
  return to_call;
}

PanicRecorder::PanicRecorder() : state_(new State()) {}

PanicRecorder& PanicRecorder::instance() {
  static auto* const recorder = new PanicRecorder();
  return *recorder;
}

void PanicRecorder::set_clock(base::Clock* clock) {
  state_->clock.store(clock, std::memory_order_release);
}

std::uint64_t PanicRecorder::add_sink(PanicSink sink) {
  PK_CHECK(sink != nullptr, "a panic sink must be callable");
  base::Lock lock(state_->mutex);
  PK_CHECK(state_->sinks.size() < kSinksMax, "more panic sinks than kSinksMax");
  const std::uint64_t id = ++state_->sinks_made;
  state_->sinks.push_back(std::make_shared<Sink>(id, std::move(sink)));
  return id;
}

void PanicRecorder::remove_sink(std::uint64_t id) {
  std::shared_ptr<Sink> removed;
  {
    base::Lock lock(state_->mutex);
    const auto found = std::ranges::find(state_->sinks, id, &Sink::id);
    if (found == state_->sinks.end()) return;
    removed = std::move(*found);
    state_->sinks.erase(found);
  }
  removed->wait_until_left();
}

void PanicRecorder::set_map_audit(MapAudit audit) {
  auto next = audit == nullptr ? nullptr : std::make_shared<Audit>(0, std::move(audit));
  {
    base::Lock lock(state_->mutex);
    std::swap(next, state_->audit);
  }
  if (next != nullptr) next->wait_until_left();
}

std::uint64_t PanicRecorder::record(PanicReport report) noexcept {
  const std::uint64_t id = state_->total.fetch_add(1, std::memory_order_relaxed) + 1;
  try {
    base::MonotonicTime now{};
    if (base::Clock* clock = state_->clock.load(std::memory_order_acquire)) {
      now = clock->now();
      report.when = clock->wall_now();
    }
    report.id = id;
    report.active_traces = state_->active_traces(now);
    report.map_audit = state_->map_audit(report);
    const auto kept = std::make_shared<const PanicReport>(std::move(report));
    for (const auto& sink : state_->keep(kept)) sink->run(*kept);
  } catch (...) {  // memory is short: the panic is counted, its report is lost
  }
  return id;
}

void PanicRecorder::note_trace(const base::TraceContext& trace) noexcept {
  base::MonotonicTime now{};
  if (const base::Clock* clock = state_->clock.load(std::memory_order_acquire)) now = clock->now();
  base::Lock lock(state_->traces_mutex);
  state_->traces[state_->traces_noted++ % kTracesMax] = {trace.trace_id, now};
}

std::vector<PanicReport> PanicRecorder::last() const {
  std::vector<std::shared_ptr<const PanicReport>> kept;
  {
    base::Lock lock(state_->mutex);
    kept.assign(state_->reports.begin(), state_->reports.end());
  }
  std::vector<PanicReport> reports;
  reports.reserve(kept.size());
  for (const auto& report : kept) reports.push_back(*report);
  return reports;
}

std::uint64_t PanicRecorder::total() const noexcept {
  return state_->total.load(std::memory_order_relaxed);
}

}  // namespace podkeeper::recovery
