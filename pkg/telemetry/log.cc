#include "pkg/telemetry/log.h"

#include "pkg/base/panic.h"
#include "pkg/base/task_context.h"
#include "pkg/telemetry/log_output.h"
#include "pkg/telemetry/metric_names.h"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <limits>
#include <pthread.h>
#include <string>
#include <utility>

namespace podkeeper::telemetry {
namespace {

constexpr int kOff = std::numeric_limits<int>::min();

/// The verbosity of the Logging alive, kOff without one: the one thing a line that is not shown
/// looks at.
std::atomic<int> g_verbosity{kOff};

/// A write to a closed pipe is an error of that write, not the end of the process.
void begin_writer_thread() {
  sigset_t signals;
  sigfillset(&signals);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace

struct Logging::State {
  State(LogOptions o, base::Clock& c) : options(std::move(o)), clock(c) {}

  const LogOptions options;
  base::Clock& clock;
  std::array<Counter*, std::size(kLogLevels)> lines{};  ///< null without metrics
  std::shared_ptr<detail::LogOutput> output;
  std::shared_ptr<spdlog::details::thread_pool> writer;
  std::shared_ptr<spdlog::async_logger> logger;
  std::shared_ptr<void> scrape;
  std::uint64_t dropped_counted = 0;  ///< by the scrapes, which never run in parallel
  std::atomic<std::uint32_t> callers{0};

  void start_writer();
  void count_in(Metrics& metrics);
  void write(LogLevel level, int verbosity, const LogEvent& event,
             std::span<const LogField> fields);
  [[nodiscard]] std::uint64_t dropped() const {
    return writer == nullptr ? 0 : writer->overrun_counter() + output->lost();
  }

  /// The State of the Logging alive, marked as in use; null without one.
  static std::shared_ptr<State> enter();
  void leave() noexcept {
    if (callers.fetch_sub(1, std::memory_order_acq_rel) == 1) callers.notify_all();
  }
  static void log_if_alive(LogLevel level, int verbosity, const LogEvent& event,
                           std::span<const LogField> fields);

  static base::Mutex alive_mutex;
  static std::shared_ptr<State> alive PK_GUARDED_BY(alive_mutex);
};

constinit base::Mutex Logging::State::alive_mutex;
constinit std::shared_ptr<Logging::State> Logging::State::alive;

void Logging::State::start_writer() {
  output = std::make_shared<detail::LogOutput>(options.output_fd, clock);
  writer = std::make_shared<spdlog::details::thread_pool>(options.queue_lines_max, 1,
                                                          &begin_writer_thread);
  logger = std::make_shared<spdlog::async_logger>("podkeeper", output, writer,
                                                  spdlog::async_overflow_policy::overrun_oldest);
}

void Logging::State::count_in(Metrics& metrics) {
  for (const LogLevel level : kLogLevels) {
    lines[static_cast<std::size_t>(level)] = &metrics.counter(kLogMessages, {to_string(level)});
  }
  Counter& dropped_total = metrics.counter(kLogDropped);
  scrape = metrics.on_scrape([this, &dropped_total] {
    const std::uint64_t now = dropped();
    dropped_total.Increment(static_cast<double>(now - dropped_counted));
    dropped_counted = now;
  });
}

void Logging::State::write(LogLevel level, int verbosity, const LogEvent& event,
                           std::span<const LogField> fields) {
  const base::TaskContext* task = base::current_task();
  const auto trace = task == nullptr ? base::TraceContext{} : task->trace();
  std::string line =
      render_log_line(options.format, clock.wall_now(), level, verbosity, event, fields, trace);
  if (Counter* counter = lines[static_cast<std::size_t>(level)]) counter->Increment();
  if (options.write) {
    line += '\n';
    options.write(line);
  } else {
    logger->log(spdlog::level::info, spdlog::string_view_t(line));
  }
}

std::shared_ptr<Logging::State> Logging::State::enter() {
  base::Lock lock(alive_mutex);
  if (alive != nullptr) alive->callers.fetch_add(1, std::memory_order_relaxed);
  return alive;
}

void Logging::State::log_if_alive(LogLevel level, int verbosity, const LogEvent& event,
                                  std::span<const LogField> fields) {
  const auto state = enter();
  if (state == nullptr) return;
  struct Leave {
    State& state;
    ~Leave() { state.leave(); }
  } leave{*state};
  state->write(level, verbosity, event, fields);
}

Logging::Logging(LogOptions options, base::Clock& clock, Metrics* metrics)
    : state_(std::make_shared<State>(std::move(options), clock)) {
  if (!state_->options.write) state_->start_writer();
  if (metrics != nullptr) state_->count_in(*metrics);
  base::Lock lock(State::alive_mutex);
  PK_CHECK(State::alive == nullptr, "a Logging is alive already");
  State::alive = state_;
  g_verbosity.store(state_->options.verbosity, std::memory_order_relaxed);
}

Logging::~Logging() {
  g_verbosity.store(kOff, std::memory_order_relaxed);
  {
    base::Lock lock(State::alive_mutex);
    State::alive.reset();
  }
  for (auto callers = state_->callers.load(std::memory_order_acquire); callers != 0;
       callers = state_->callers.load(std::memory_order_acquire)) {
    state_->callers.wait(callers, std::memory_order_acquire);
  }
  state_->scrape.reset();
  if (state_->writer != nullptr) {
    state_->output->hurry();
    state_->logger.reset();
    state_->writer.reset();  // its destructor writes what waits and ends the thread
  }
}

void Logging::set_verbosity(int verbosity) noexcept {
  g_verbosity.store(verbosity, std::memory_order_relaxed);
}
int Logging::verbosity() const noexcept { return g_verbosity.load(std::memory_order_relaxed); }
std::uint64_t Logging::dropped() const noexcept { return state_->dropped(); }
std::optional<base::Duration> Logging::blocked_for() const noexcept {
  return state_->output == nullptr ? std::nullopt : state_->output->blocked_for();
}

bool log_shows(int verbosity) noexcept {
  return g_verbosity.load(std::memory_order_relaxed) >= verbosity;
}

void log(LogLevel level, const LogEvent& event, std::span<const LogField> fields) {
  const int verbosity = level == LogLevel::kDebug ? kDebugVerbosity : 0;
  const int shown = g_verbosity.load(std::memory_order_relaxed);
  if (shown == kOff || (level == LogLevel::kDebug && shown < verbosity)) return;
  Logging::State::log_if_alive(level, verbosity, event, fields);
}

void log_verbose(int verbosity, const LogEvent& event, std::initializer_list<LogField> fields) {
  if (!log_shows(verbosity)) return;
  Logging::State::log_if_alive(LogLevel::kDebug, verbosity, event, {fields.begin(), fields.size()});
}

void log_error(const LogEvent& event, std::initializer_list<LogField> fields) {
  log(LogLevel::kError, event, {fields.begin(), fields.size()});
}
void log_warn(const LogEvent& event, std::initializer_list<LogField> fields) {
  log(LogLevel::kWarn, event, {fields.begin(), fields.size()});
}
void log_info(const LogEvent& event, std::initializer_list<LogField> fields) {
  log(LogLevel::kInfo, event, {fields.begin(), fields.size()});
}
void log_debug(const LogEvent& event, std::initializer_list<LogField> fields) {
  log(LogLevel::kDebug, event, {fields.begin(), fields.size()});
}

RateLimiter::RateLimiter(base::Clock& clock, base::Duration interval, std::uint32_t burst)
    : clock_(clock), interval_(interval), burst_(interval * std::max(burst, 1U)) {
  PK_CHECK(interval > base::Duration::zero(), "a rate limit needs an interval");
}

/// The generic cell rate algorithm (ITU-T I.371): each event moves `next_` by one interval, and an
/// event that would move it more than a burst beyond now does not conform.
std::optional<std::uint64_t> RateLimiter::admit() {
  const auto now = clock_.now();
  base::Lock lock(mutex_);
  const auto next = std::max(next_, now) + interval_;
  if (next > now + burst_) {
    ++suppressed_;
    return std::nullopt;
  }
  next_ = next;
  return std::exchange(suppressed_, 0);
}

}  // namespace podkeeper::telemetry
