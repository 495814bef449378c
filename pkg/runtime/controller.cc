#include "pkg/runtime/controller.h"

#include "pkg/base/panic.h"
#include "pkg/base/task_context.h"
#include "pkg/recovery/guard.h"
#include "pkg/telemetry/log.h"
#include "pkg/telemetry/metric_names.h"

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace podkeeper::runtime {

using base::Error;
using base::ErrorCode;

namespace {

WorkQueueOptions queue_options(const ControllerOptions& options) {
  WorkQueueOptions queue = options.queue;
  queue.name = options.name;
  queue.metrics = options.metrics;
  return queue;
}

void count(telemetry::Counter* counter) {
  if (counter != nullptr) counter->Increment();
}

/// A worker at work, from the key's taking to its done(), also when a stop unwinds it.
class InWork {
 public:
  InWork(WorkQueue<std::string>& queue, std::string key, telemetry::Gauge* active)
      : queue_(queue), key_(std::move(key)), active_(active) {
    if (active_ != nullptr) active_->Increment();
  }
  ~InWork() {
    if (active_ != nullptr) active_->Decrement();
    queue_.done(key_);
  }
  InWork(const InWork&) = delete;
  InWork& operator=(const InWork&) = delete;
  [[nodiscard]] const std::string& key() const { return key_; }

 private:
  WorkQueue<std::string>& queue_;
  const std::string key_;
  telemetry::Gauge* active_;
};

}  // namespace

Controller::Controller(base::World& world, ControllerOptions options, Reconcile reconcile)
    : clock_(world.clock()),
      options_(std::move(options)),
      reconcile_(std::move(reconcile)),
      queue_(world, queue_options(options_)) {
  if (options_.metrics == nullptr) return;
  telemetry::Metrics& metrics = *options_.metrics;
  const std::string_view name = options_.name;
  counters_.success = &metrics.counter(telemetry::kReconcileTotal, {name, "success"});
  counters_.error = &metrics.counter(telemetry::kReconcileTotal, {name, "error"});
  counters_.requeue = &metrics.counter(telemetry::kReconcileTotal, {name, "requeue"});
  counters_.requeue_after = &metrics.counter(telemetry::kReconcileTotal, {name, "requeue_after"});
  counters_.errors = &metrics.counter(telemetry::kReconcileErrors, {name});
  counters_.panics = &metrics.counter(telemetry::kReconcilePanics, {name});
  counters_.seconds = &metrics.histogram(telemetry::kReconcileTime, {name});
  counters_.active = &metrics.gauge(telemetry::kActiveWorkers, {name});
  metrics.gauge(telemetry::kMaxConcurrentReconciles, {name})
      .Set(static_cast<double>(options_.workers));
}

base::Result<void> Controller::start(TaskGroup& group) {
  for (std::size_t i = 0; i < options_.workers; ++i) {
    auto started = group.spawn(options_.name + "/" + std::to_string(i), base::Handler::kReconcile,
                               [this] { return work(); });
    if (!started) return started;
  }
  return {};
}

base::Task<void> Controller::work() {
  for (;;) {
    auto getting = queue_.get();
    auto key = co_await std::move(getting);
    if (!key) co_return;
    const InWork in_work(queue_, *std::move(key), counters_.active);
    if (const base::Duration left = quarantine_left(in_work.key()); left > base::Duration::zero()) {
      queue_.add_after(in_work.key(), left);
      continue;
    }
    const base::MonotonicTime start = clock_.now();
    auto reconciling = reconcile_guarded(in_work.key());
    const auto result = co_await std::move(reconciling);
    if (counters_.seconds != nullptr) {
      counters_.seconds->Observe(std::chrono::duration<double>(clock_.now() - start).count());
    }
    settle(in_work.key(), result);
  }
}

base::Task<base::Result<Outcome>> Controller::reconcile_guarded(std::string key) {
  auto body = [](const Reconcile& reconcile, std::string k) -> base::Task<base::Result<Outcome>> {
    auto task = reconcile(std::move(k));
    co_return co_await std::move(task);
  }(reconcile_, std::move(key));
  auto guarded = recovery::guard(base::Handler::kReconcile, std::move(body));
  auto result = co_await std::move(guarded);
  if (!result) co_return std::move(result).error();
  co_return *std::move(result);
}

void Controller::settle(const std::string& key, const base::Result<Outcome>& result) {
  if (result) return succeeded(key, *result);
  if (result.error().code == ErrorCode::kCancelled) {
    // The worker was asked to stop in the middle of it: the key is work for who comes next. Not at
    // once, should the reconcile say so without a stop.
    queue_.add_rate_limited(key);
    return;
  }
  if (recovery::classify(result.error()) == recovery::ErrorClass::kPanic) return panicked(key);
  failed(key, result.error());
}

void Controller::succeeded(const std::string& key, const Outcome& outcome) {
  {
    base::Lock lock(mutex_);
    panics_.erase(key);
  }
  if (outcome.requeue_after) {
    count(counters_.requeue_after);
    queue_.forget(key);
    queue_.add_after(key, *outcome.requeue_after);
  } else if (outcome.requeue) {
    count(counters_.requeue);
    queue_.add_rate_limited(key);
  } else {
    count(counters_.success);
    queue_.forget(key);
  }
}

void Controller::failed(const std::string& key, const Error& error) {
  count(counters_.error);
  count(counters_.errors);
  telemetry::log_warn("reconcile_failed", {{"controller", options_.name},
                                           {"key", key},
                                           {"code", to_string(error.code)},
                                           {"error", error.message}});
  {
    base::Lock lock(mutex_);
    panics_.erase(key);
  }
  if (error.retry_after) {
    queue_.add_after(key, *error.retry_after);
  } else {
    queue_.add_rate_limited(key);
  }
}

void Controller::panicked(const std::string& key) {
  count(counters_.error);
  count(counters_.errors);
  count(counters_.panics);
  bool quarantine = false;
  {
    base::Lock lock(mutex_);
    if (panics_.size() < options_.panicked_keys_max || panics_.contains(key)) {
      Panics& panics = panics_[key];
      quarantine = ++panics.in_a_row >= options_.panics_max;
      if (quarantine) panics.quarantined_until = clock_.now() + options_.quarantine;
    }
  }
  if (!quarantine) {
    queue_.add_rate_limited(key);
    return;
  }
  telemetry::log_error("reconcile_quarantined",
                       {{"controller", options_.name},
                        {"key", key},
                        {"seconds", std::chrono::duration<double>(options_.quarantine).count()}});
  queue_.add_after(key, options_.quarantine);
}

base::Duration Controller::quarantine_left(const std::string& key) const {
  base::Lock lock(mutex_);
  const auto found = panics_.find(key);
  if (found == panics_.end()) return {};
  return found->second.quarantined_until - clock_.now();
}

std::vector<std::string> Controller::quarantined() const {
  const base::MonotonicTime now = clock_.now();
  std::vector<std::string> keys;
  base::Lock lock(mutex_);
  for (const auto& [key, panics] : panics_) {
    if (panics.quarantined_until > now) keys.push_back(key);
  }
  return keys;
}

}  // namespace podkeeper::runtime
