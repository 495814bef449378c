#include "pkg/runtime/real_watchdog.h"

#include "pkg/recovery/crash_report.h"
#include "pkg/recovery/panic_report.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metric_names.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <pthread.h>
#include <string>
#include <utility>

namespace podkeeper::runtime {
namespace {

double seconds(base::Duration duration) { return std::chrono::duration<double>(duration).count(); }

/// One line for what happened, one for each thread.
void log_stall(const Stall& stall, std::uint64_t suppressed) {
  telemetry::log_error("io_thread_stalled", {{"thread", stall.thread},
                                             {"forSeconds", seconds(stall.for_at_least)},
                                             {"threads", stall.threads.size()},
                                             {"suppressed", suppressed}});
  for (const auto& thread : stall.threads) {
    const auto stack = recovery::symbolize(thread.stack);
    telemetry::log_error("thread_stack", {{"thread", thread.id},
                                          {"name", thread.name},
                                          {"stuck", thread.id == stall.thread},
                                          {"answered", thread.answered},
                                          {"task", thread.task_name},
                                          {"taskId", thread.task_id},
                                          {"stack", stack}});
  }
}

}  // namespace

Watchdog::Watchdog(RealWorld& world, telemetry::Metrics& metrics, Options options)
    : world_(world),
      count_(metrics.counter(telemetry::kWatchdogStalls)),
      options_(options),
      dumps_(world.clock(), options.dump_interval),
      beats_(std::make_shared<std::atomic<std::uint64_t>>(0)) {
  if (options_.timeout > base::Duration::zero()) {
    thread_ = std::jthread([this] { watch(); });
  }
}

Watchdog::~Watchdog() { ended_.release(); }

std::shared_ptr<const Stall> Watchdog::last() const {
  base::Lock lock(mutex_);
  return last_;
}

std::uint64_t Watchdog::stalls() const noexcept { return stalls_.load(std::memory_order_relaxed); }

base::Result<void> Watchdog::check() const {
  if (stuck_.load(std::memory_order_relaxed) == 0) return {};
  return base::Error{base::ErrorCode::kTimeout,
                     "a thread of the event loop is stuck: see /debug/threads"};
}

void Watchdog::watch() {
  const recovery::CrashStack crash_stack;
  ::pthread_setname_np(::pthread_self(), "watchdog");
  while (!ended_.try_acquire_for(options_.timeout / kLooks)) look();
}

void Watchdog::look() {
  const auto threads = world_.loop_threads();
  std::erase_if(seen_, [&](const auto& one) {
    return std::ranges::find(threads, one.first, &RealWorld::LoopThread::id) == threads.end();
  });
  std::size_t stuck = 0;
  for (const auto& thread : threads) stuck += look_at(thread) ? 1 : 0;
  if (threads.empty()) {
    loop_ = {};
    posted_ = beats_->load(std::memory_order_relaxed);
  } else if (look_at_loop()) {
    stuck = std::max<std::size_t>(stuck, 1);
  }
  stuck_.store(stuck, std::memory_order_relaxed);
}

bool Watchdog::look_at(const RealWorld::LoopThread& thread) {
  Seen& seen = seen_[thread.id];
  if (!thread.busy || seen.turns != thread.turns) {
    if (seen.told) telemetry::log_warn("io_thread_goes_on", {{"thread", thread.id}});
    seen = {.turns = thread.turns};
    return false;
  }
  if (++seen.looks < kLooks) return false;
  if (!std::exchange(seen.told, true)) tell(thread.id);
  return true;
}

bool Watchdog::look_at_loop() {
  if (beats_->load(std::memory_order_relaxed) == posted_) {
    loop_ = {};
    ++posted_;
    boost::asio::post(world_.make_executor(), [beats = beats_] { ++*beats; });
    return false;
  }
  if (++loop_.looks < kLooks) return false;
  // A thread that is stuck has been told of already, and is why.
  const bool known = std::ranges::any_of(seen_, [](const auto& one) { return one.second.told; });
  if (!std::exchange(loop_.told, true) && !known) tell(0);
  return true;
}

void Watchdog::tell(std::int64_t thread) {
  count_.Increment();
  stalls_.fetch_add(1, std::memory_order_relaxed);
  const auto suppressed = dumps_.admit();
  if (!suppressed) return;
  auto stall = std::make_shared<Stall>();
  stall->noticed = world_.clock().wall_now();
  stall->thread = thread;
  stall->for_at_least = options_.timeout;
  stall->threads = take_stacks();
  log_stall(*stall, *suppressed);
  base::Lock lock(mutex_);
  last_ = std::move(stall);
}

}  // namespace podkeeper::runtime
